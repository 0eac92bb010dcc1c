"""How columns of PostgreSQL look in the lake: each type is mapped here, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
from psycopg import sql

from warehouse.errors import LakeError

_UTC = pa.timestamp("us", tz="UTC")

_TYPES = {
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "smallint": pa.int32(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "double precision": pa.float64(),
    "real": pa.float32(),
    "text": pa.string(),
    # every timestamp of ours is UTC
    "timestamp with time zone": _UTC,
    "timestamp without time zone": _UTC,
}

_AS_TEXT = ("uuid", "json", "jsonb", "character varying")
"""Types whose values are the text that PostgreSQL writes."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name, in PostgreSQL and in the lake.
        database_type: Its type in PostgreSQL.
        arrow_type: Its type in the lake.
    """

    name: str
    database_type: str
    arrow_type: pa.DataType

    @property
    def selected(self) -> sql.Composable:
        """The column, as it is selected."""
        column = sql.Identifier(self.name)
        if self.database_type in _AS_TEXT:
            return sql.SQL("{}::text as {}").format(column, column)
        return column


def column(table_name: str, name: str, database_type: str) -> Column:
    """A column as it goes to the lake.

    Args:
        table_name: Whose column it is, for the error.
        name: Its name.
        database_type: As `format_type` says it, without a precision.

    Raises:
        LakeError: The type is not mapped.
    """
    arrow_type = pa.string() if database_type in _AS_TEXT else _TYPES.get(database_type)
    if arrow_type is None:
        raise LakeError(
            f"The column {name} of {table_name} has the type {database_type}, which the lake does "
            "not know: cast it in the model, or add the type to lake/columns.py."
        )
    return Column(name, database_type, arrow_type)


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """The Arrow schema of columns."""
    return pa.schema([(column.name, column.arrow_type) for column in columns])
