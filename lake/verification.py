"""Compares the lake with PostgreSQL: every table, all rows.

In: the lake, and one moment of PostgreSQL. Out: what each table adds up to on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from psycopg import Connection

from lake.catalog import explained, load_table, open_catalog
from lake.fingerprint import Fingerprint, fingerprint
from lake.publications import prepare, read_publications
from lake.snapshot import reading
from lake.warehouse_tables import LandingTable, find_boundary, find_tables
from warehouse.errors import LakeError
from warehouse.settings import Settings


@dataclass(frozen=True)
class Comparison:
    """A table on both sides.

    Attributes:
        name: Namespace and name.
        database: What it adds up to in PostgreSQL.
        lake: What it adds up to in the lake; None where it is not there.
    """

    name: str
    database: Fingerprint
    lake: Fingerprint | None

    @property
    def is_equal(self) -> bool:
        """Whether both have the same rows."""
        return self.database == self.lake


def verify(
    settings: Settings, lock: Connection, landing: Sequence[LandingTable]
) -> list[Comparison]:
    """Compares all tables as of the published crawl.

    Args:
        settings: Which warehouse, and which lake.
        lock: Connection that holds the run's lock.
        landing: What goes to the lake of landing.

    Raises:
        LakeError: The lake is of another crawl than the marts, or a table cannot be read.
    """
    prepare(lock)
    publications = read_publications(lock)
    compared = []
    with open_catalog(settings) as catalog, reading(settings) as snapshot:
        boundary_at = find_boundary(snapshot)
        if not publications or publications[0].boundary_at != boundary_at:
            shown = f"{publications[0].boundary_at:%F %T} UTC" if publications else "nothing"
            raise LakeError(
                f"The lake shows {shown}, and the marts are as of {boundary_at:%F %T} UTC: there "
                "is nothing to compare. `listenhouse lake publish` brings it up to date."
            )
        for source in find_tables(snapshot, landing, boundary_at):
            with explained(settings, "read", source.full_name):
                table = load_table(catalog, settings, source.full_name)
                compared.append(
                    Comparison(
                        source.full_name,
                        fingerprint(snapshot.chunks(source.select(), source.schema)),
                        None
                        if table is None
                        else fingerprint(
                            pa.Table.from_batches([batch]).select(source.schema.names)
                            for batch in table.scan().to_arrow_batch_reader()
                        ),
                    )
                )
    return compared
