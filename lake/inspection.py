"""What is in the lake: its tables, as of now.

In: the catalog. Out: figures of each table.
"""

from __future__ import annotations

from dataclasses import dataclass

from lake.catalog import explained, list_tables, load_table, open_catalog
from warehouse.settings import Settings


@dataclass(frozen=True)
class TableFigures:
    """A table of the lake.

    Attributes:
        name: Namespace and name.
        snapshot_id: Its present snapshot; None where it was never written.
        row_count: Rows.
        file_count: Files that they are in.
        megabytes: Size of the files.
        boundary: The crawl that changed it last, in UTC.
    """

    name: str
    snapshot_id: int | None
    row_count: int
    file_count: int
    megabytes: float
    boundary: str


def read_tables(settings: Settings) -> list[TableFigures]:
    """Figures of every table.

    Args:
        settings: Which warehouse, and which lake.

    Raises:
        LakeError: A table cannot be read; says which.
    """
    figures = []
    with open_catalog(settings) as catalog:
        for name in list_tables(catalog):
            with explained(settings, "read", name):
                table = load_table(catalog, settings, name)
                snapshot = table.current_snapshot() if table is not None else None
                said = snapshot.summary if snapshot else None
                summary = said.additional_properties if said else {}
                figures.append(
                    TableFigures(
                        name=name,
                        snapshot_id=snapshot.snapshot_id if snapshot else None,
                        row_count=int(summary.get("total-records", 0)),
                        file_count=int(summary.get("total-data-files", 0)),
                        megabytes=int(summary.get("total-files-size", 0)) / 1e6,
                        boundary=summary.get("listenhouse.boundary", "")[:19].replace("T", " "),
                    )
                )
    return figures
