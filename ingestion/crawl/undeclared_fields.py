"""Fields that an API serves and nobody declared: their columns, and how many there may be.

In: pages, and the columns that landing has. Out: pages whose undeclared fields have room. A record
that brings more is rejected, so that a source that makes up names costs itself and not the table:
PostgreSQL has at most 1,600 columns, and dlt never takes one away.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import replace

from dlt.common.normalizers.naming.snake_case import NamingConvention

from ingestion.crawl.decoding import Page, RejectedRecord
from ingestion.endpoint import ROW_HASH, Endpoint

DLT_COLUMNS = frozenset({ROW_HASH, "_dlt_valid_from", "_dlt_valid_to", "_dlt_load_id", "_dlt_id"})

MAX_UNDECLARED_COLUMNS = 200
"""Columns of undeclared fields in an endpoint's table, those of earlier loads among them."""

# PostgreSQL cuts longer names off
_naming = NamingConvention(max_length=63)


class UndeclaredFields:
    """The undeclared fields of one pass over an endpoint's pages."""

    def __init__(self, endpoint: Endpoint, landed_columns: Set[str]) -> None:
        """Starts a pass.

        Args:
            endpoint: Which endpoint.
            landed_columns: All columns that its table has.
        """
        self._endpoint = endpoint
        self._landed = landed_columns - DLT_COLUMNS - endpoint.arrow_types.keys()
        self._room = max(MAX_UNDECLARED_COLUMNS - len(self._landed), 0)
        self._columns: dict[str, str] = {}

    def admit(self, page: Page) -> Page:
        """A page whose records bring no more new fields than there is room for.

        Args:
            page: The next page, with records that may have any fields.
        """
        refused = {
            position for position, fields in page.undeclared.items() if not self._take(fields)
        }
        if not refused:
            return page
        kept = [position for position in range(len(page.records)) if position not in refused]
        rejected = [self._rejected(page, position) for position in sorted(refused)]
        return replace(page.select(kept), rejected=page.rejected + rejected)

    def _take(self, fields: Iterable[str]) -> bool:
        """Gives new fields their columns, all or none."""
        names = sorted(set(fields) - self._columns.keys())
        if not names or len(names) > MAX_UNDECLARED_COLUMNS:
            return not names
        columns = self._columns | _name_columns(self._endpoint, names, set(self._columns.values()))
        if len(set(columns.values()) - self._landed) > self._room:
            return False
        self._columns = columns
        return True

    def _rejected(self, page: Page, position: int) -> RejectedRecord:
        record, person = page.records[position], self._endpoint.person
        return RejectedRecord(
            record=page.served[position],
            reason=(
                f"More fields that are not declared than the {MAX_UNDECLARED_COLUMNS} that "
                "an endpoint may have"
            ),
            key=tuple(getattr(record, name) for name in self._endpoint.key),
            person_id=getattr(record, person) if person else None,
        )


def name_undeclared_columns(endpoint: Endpoint, names: set[str]) -> dict[str, str]:
    """Gives each undeclared field a column of its own, in dlt's spelling.

    Two fields can be one name in that spelling, or that of a declared column: a number then
    keeps them apart, the same on every crawl that serves the same fields.

    Args:
        endpoint: Whose fields.
        names: Names of the fields, as served.

    Returns:
        The column by field.
    """
    return _name_columns(endpoint, sorted(names), set())


def _name_columns(endpoint: Endpoint, names: Iterable[str], taken: set[str]) -> dict[str, str]:
    taken = {*endpoint.arrow_types, *DLT_COLUMNS, *taken}
    columns: dict[str, str] = {}
    for name in names:
        spelled = _naming.normalize_identifier(name.strip() or "unnamed")
        column, number = spelled, 2
        while column in taken:
            column, number = f"{spelled}_{number}", number + 1
        columns[name] = column
        taken.add(column)
    return columns
