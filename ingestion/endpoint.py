"""What an endpoint is: its path, its record's shape, its key, and how they look in Arrow.

A record's shape is declared once, as a `msgspec.Struct`; the Arrow schema of the spool and
the column hints for dlt follow from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, TypeAlias

import msgspec
import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema

BigInt: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""An integer that fits PostgreSQL's bigint."""

NaiveTimestamp: TypeAlias = Annotated[datetime, msgspec.Meta(tz=False)]
"""A timestamp as the API serves it: without a zone, to be read as UTC."""

ROW_HASH = "row_hash"
UNDECLARED = "undeclared"
"""Spool column that holds the fields nobody declared, as one JSON object, or null."""


class Record(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Base of the record shapes.

    Null fields are left out of the encoded form, so that declaring one more nullable field
    leaves the hashes of records without it as they are.
    """


def _as_served(record: dict[str, Any]) -> dict[str, Any]:
    return record


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of a paginated API.

    Attributes:
        name: Path of the endpoint and name of its landing table.
        record: Shape of its records.
        key: Fields that identify a record.
        person: Field with the id of the person that a record is of; None where it is of none.
        personal: Columns of its landing table with personal data; tagged `pii` for dbt as well.
        understand: Maps a record whose fields changed type, where that is unambiguous, to
            the declared shape; called only for records that do not fit as they are.
    """

    name: str
    record: type[Record]
    key: tuple[str, ...]
    person: str | None = None
    personal: frozenset[str] = frozenset()
    understand: Callable[[dict[str, Any]], dict[str, Any]] = _as_served

    @cached_property
    def arrow_types(self) -> dict[str, pa.DataType]:
        """Arrow type per declared field, in declared order."""
        return {
            field.encode_name: _arrow_type(field.type)
            for field in msgspec.inspect.type_info(self.record).fields  # type: ignore[attr-defined]
        }

    @cached_property
    def json_fields(self) -> frozenset[str]:
        """Declared fields that land as json."""
        fields = msgspec.inspect.type_info(self.record).fields  # type: ignore[attr-defined]
        return frozenset(
            field.encode_name for field in fields if _has(field.type, msgspec.inspect.ListType)
        )

    @cached_property
    def spool_schema(self) -> pa.Schema:
        """Arrow schema of the spool: declared fields, row hash, undeclared fields."""
        return pa.schema(
            [
                *(pa.field(name, type_) for name, type_ in self.arrow_types.items()),
                pa.field(ROW_HASH, pa.string()),
                pa.field(UNDECLARED, pa.string()),
            ]
        )

    @cached_property
    def impersonal_columns(self) -> frozenset[str]:
        """Columns of the landing table without personal data, none of them undeclared.

        The hash of a record is none of them where the record has personal data: who guesses these
        can find out whether the guess is right.
        """
        of_landing = {"user_id", "_dlt_valid_from", "_dlt_valid_to", "landed_at"}
        hashes = set() if self.personal else {ROW_HASH}
        return frozenset({*self.arrow_types, *of_landing, *hashes} - self.personal)

    @cached_property
    def column_hints(self) -> dict[str, TColumnSchema]:
        """The columns of the landing table, for dlt."""
        hints: dict[str, TColumnSchema] = {}
        for name, type_ in self.arrow_types.items():
            if pa.types.is_timestamp(type_):
                hints[name] = {"data_type": "timestamp", "timezone": False, "precision": 6}
            elif pa.types.is_integer(type_):
                hints[name] = {"data_type": "bigint"}
            elif pa.types.is_floating(type_):
                hints[name] = {"data_type": "double"}
            else:
                hints[name] = {"data_type": "json" if name in self.json_fields else "text"}
        hints[ROW_HASH] = {"data_type": "text"}
        return hints


def _arrow_type(type_: msgspec.inspect.Type) -> pa.DataType:
    if _has(type_, msgspec.inspect.IntType):
        return pa.int64()
    if _has(type_, msgspec.inspect.FloatType):
        return pa.float64()
    if _has(type_, msgspec.inspect.DateTimeType):
        return pa.timestamp("us")
    if _has(type_, msgspec.inspect.StrType) or _has(type_, msgspec.inspect.ListType):
        return pa.string()
    raise TypeError(f"no landing column type is known for {type_}")


def _has(type_: msgspec.inspect.Type, kind: type[msgspec.inspect.Type]) -> bool:
    members = type_.types if isinstance(type_, msgspec.inspect.UnionType) else (type_,)
    return any(isinstance(member, kind) for member in members)
