"""Sets the tables of the lake back to a publication that it keeps."""

from __future__ import annotations

from psycopg import Connection

from lake.catalog import explained, load_table, open_catalog
from lake.publications import Publication, expect_whole, read_publications
from warehouse.errors import LakeError
from warehouse.settings import Settings


def roll_back(settings: Settings, lock: Connection, tag: str) -> Publication:
    """Sets every table of a publication to what it was then; tables that came later stay.

    Args:
        settings: Which warehouse, and which lake.
        lock: Connection that holds the run's lock.
        tag: The publication's tag.

    Returns:
        The publication.

    Raises:
        LakeError: The lake does not keep it, or a table cannot be set back.
    """
    kept = {publication.tag: publication for publication in read_publications(lock)}
    publication = kept.get(tag)
    if publication is None:
        raise LakeError(
            f"The lake keeps no publication {tag}: `listenhouse lake history` lists those that it "
            "does."
        )
    with open_catalog(settings) as catalog:
        # first: who is killed between two tables leaves what the next publication replaces
        expect_whole(lock, [name.partition(".")[2] for name in publication.tables])
        for name, snapshot_id in publication.tables.items():
            with explained(settings, "set back", name):
                table = load_table(catalog, settings, name)
                if table is not None:
                    table.manage_snapshots().set_current_snapshot(snapshot_id).commit()
    return publication
