"""Proven rows as dlt takes them: Arrow tables in the columns of landing.

In: a crawled endpoint, and the versions to keep valid beside it. Out: tables of at most a chunk of
rows each, the columns that they have, and how many values are null.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema

from ingestion.crawl.undeclared_fields import name_undeclared_columns
from ingestion.endpoint import ROW_HASH, UNDECLARED, Endpoint

if TYPE_CHECKING:
    # a crawl needs HTTP and threads; who only asks what a source has needs neither
    from ingestion.crawl.completeness import CrawledEndpoint


@dataclass(frozen=True)
class ProvenRows:
    """What is valid of an endpoint as of a crawl.

    Attributes:
        crawled: Rows that the crawl proved complete.
        carried: Row hashes of versions to keep valid although no row of this crawl has them.
        null_counts: Rows of the crawl without a value, by column; as far as they were read.
    """

    crawled: CrawledEndpoint
    carried: Sequence[str]
    null_counts: Counter[str] = field(default_factory=Counter)

    @property
    def endpoint(self) -> Endpoint:
        """Whose rows they are."""
        return self.crawled.endpoint

    @property
    def is_empty(self) -> bool:
        """Whether nothing is valid."""
        return not (self.crawled.landed or self.carried)

    @cached_property
    def columns(self) -> dict[str, TColumnSchema]:
        """The columns of the landing table, undeclared fields among them, for dlt."""
        hints = dict(self.endpoint.column_hints)
        for column in self._undeclared.values():
            hints[column] = {"data_type": "json"}
        return hints

    def tables(self) -> Iterator[pa.Table]:
        """Streams the rows, and counts their nulls."""
        schema = self.endpoint.spool_schema
        if self.is_empty:
            # also without rows the table has to exist, and its versions to be closed
            yield self._expand(schema.empty_table())
        for batch in self.crawled.rows():
            rows = self._expand(pa.Table.from_batches([batch]))
            # Arrow knows them: counted here they cost nothing
            self.null_counts.update(
                {
                    name: rows.column(name).null_count
                    for name in rows.column_names
                    if name != ROW_HASH
                }
            )
            yield rows
        if self.carried:
            # dlt keeps a version valid when its hash is in the load; it reads no other column
            hashes = pa.array(self.carried, pa.string())
            nulls = [pa.nulls(len(hashes), column.type) for column in schema]
            nulls[schema.get_field_index(ROW_HASH)] = hashes
            yield self._expand(pa.table(nulls, schema=schema))

    @cached_property
    def _undeclared(self) -> dict[str, str]:
        """Column by undeclared field."""
        return name_undeclared_columns(self.endpoint, self.crawled.spool.undeclared_names)

    def _expand(self, rows: pa.Table) -> pa.Table:
        """Replaces the spool's column of undeclared fields by one json column per field."""
        encoded = rows.column(UNDECLARED).to_pylist() if self._undeclared else []
        rows = rows.drop_columns([UNDECLARED])
        if not self._undeclared:
            return rows
        decode = functools.partial(msgspec.json.decode, type=dict[str, msgspec.Raw])
        fields = [decode(value) if value else {} for value in encoded]
        for name, column in self._undeclared.items():
            values = [bytes(row[name]).decode() if name in row else None for row in fields]
            rows = rows.append_column(column, pa.array(values, pa.string()))
        return rows
