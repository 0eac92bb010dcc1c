"""Brings what was published to the lake: what changed since it was brought there last.

In: one moment of PostgreSQL. Out: a snapshot of each table that changed, a tag on all of them, and
the row that makes them one publication. Who is killed on the way leaves snapshots without a row;
the next publication brings them in line, as each snapshot says what it is of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import pyarrow as pa
from psycopg import Connection, sql
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table
from pyiceberg.transforms import MonthTransform

from lake.catalog import explained, load_table, open_catalog
from lake.data_files import Target, columns_of, find_units, replace_all, replace_units
from lake.publications import (
    LEDGER,
    forget_units,
    keep_last,
    prepare,
    read_publications,
    record,
)
from lake.retention import clean
from lake.snapshot import Snapshot, reading
from lake.warehouse_tables import (
    KEY_SEPARATOR,
    LakeTable,
    LandingTable,
    find_boundary,
    find_tables,
)
from warehouse.run_log import get_logger
from warehouse.settings import Settings

_logger = get_logger(__name__)

_VERSION, _BOUNDARY, _CRAWL = "listenhouse.version", "listenhouse.boundary", "listenhouse.crawl"
"""What a snapshot's summary says: the build, the crawl's time, the crawl."""


@dataclass(frozen=True)
class Report:
    """What a publication did.

    Attributes:
        tag: The tag of the crawl that the lake shows now.
        boundary_at: The crawl.
        is_new: Whether anything was to be done.
        whole: Tables that were replaced.
        by_unit: Tables in which units were replaced.
    """

    tag: str
    boundary_at: datetime
    is_new: bool
    whole: tuple[str, ...]
    by_unit: tuple[str, ...]


@dataclass(frozen=True)
class _Change:
    """What is to be replaced in a table.

    Attributes:
        units: The query of the units; None for all rows.
    """

    units: sql.Composed | None = None


@dataclass(frozen=True)
class _Warehouse:
    """What is known of the moment that is published.

    Attributes:
        snapshot: Of PostgreSQL.
        crawls: The crawls that are committed, by their boundary.
        ledger: Models with units that wait.
    """

    snapshot: Snapshot
    crawls: dict[datetime, str]
    ledger: set[str]


def publish(
    settings: Settings,
    lock: Connection,
    landing: Sequence[LandingTable],
    *,
    whole: bool,
    tell: Callable[[str], None],
) -> Report:
    """Brings the lake to the day that people read.

    Args:
        settings: Which warehouse, and which lake.
        lock: Connection that holds the run's lock.
        landing: What goes there of landing.
        whole: Replace every table, and keep this publication only.
        tell: Is called with the name of each table before it is looked at.

    Raises:
        LakeError: A table cannot be written; says which, and what to do.
    """
    prepare(lock)
    with open_catalog(settings) as catalog:
        with reading(settings) as snapshot:
            boundary_at = find_boundary(snapshot)
            warehouse = _look(snapshot, landing)
            ((last_unit,),) = snapshot.rows(
                sql.SQL("select coalesce(max(unit_number), 0) from {}").format(
                    sql.Identifier(*LEDGER)
                )
            )
            tables: dict[str, Table] = {}
            written: dict[str, bool] = {}
            for source in find_tables(snapshot, landing, boundary_at):
                tell(source.full_name)
                with explained(settings, "written", source.full_name):
                    table = load_table(catalog, settings, source.full_name) or _create(
                        catalog, settings, source
                    )
                    change = _Change() if whole else _find_change(warehouse, source, table)
                    if change is not None:
                        written[source.full_name] = _bring(
                            warehouse, source, table, change, without_trace=whole
                        )
                    tables[source.full_name] = table
        known = read_publications(lock)
        snapshots = {name: _current(table) for name, table in tables.items()}
        if known and dict(known[0].tables) == snapshots:
            forget_units(lock, last_unit)
            return Report(known[0].tag, boundary_at, False, (), ())
        tag = _new_tag(boundary_at, {publication.tag for publication in known})
        for name, table in tables.items():
            with explained(settings, "tagged", name):
                table.manage_snapshots().create_tag(snapshots[name], tag).commit()
        with lock.transaction():
            record(lock, tag, boundary_at, snapshots, sum(map(_count_rows, tables.values())))
            forget_units(lock, last_unit)
            keep_last(lock, 1 if whole else settings.lake_tags)
        clean(catalog, settings, {publication.tag for publication in read_publications(lock)})
    return Report(
        tag,
        boundary_at,
        True,
        tuple(name for name, is_whole in written.items() if is_whole),
        tuple(name for name, is_whole in written.items() if not is_whole),
    )


def _look(snapshot: Snapshot, landing: Sequence[LandingTable]) -> _Warehouse:
    crawls: dict[datetime, str] = {}
    for schema in {table.schema for table in landing if table.key is not None}:
        crawls |= dict(
            snapshot.rows(
                sql.SQL("select boundary_at, crawl_id from {}").format(
                    sql.Identifier(schema, "crawls")
                )
            )
        )
    models = snapshot.rows(
        sql.SQL("select distinct model_name from {}").format(sql.Identifier(*LEDGER))
    )
    return _Warehouse(snapshot, crawls, {name for (name,) in models})


def _create(catalog: SqlCatalog, settings: Settings, source: LakeTable) -> Table:
    with catalog.create_table_transaction(
        source.full_name,
        source.schema,
        # of its own: what is in it and of no snapshot is deleted
        location=f"{settings.lake}/{source.layer}/{source.name}/{uuid4().hex[:12]}",
        properties={
            # old ones have no use, and what lists them should not grow
            "write.metadata.delete-after-commit.enabled": "true",
            "write.metadata.previous-versions-max": "1",
        },
    ) as transaction:
        if source.month_of:
            with transaction.update_spec() as spec:
                spec.add_field(source.month_of, MonthTransform(), f"{source.month_of}_month")
    return catalog.load_table(source.full_name)


def _find_change(warehouse: _Warehouse, source: LakeTable, table: Table) -> _Change | None:
    """What is to be replaced; None where nothing is."""
    current = table.current_snapshot()
    columns = {column.name: column.arrow_type for column in source.columns}
    if current is None or current.summary is None or columns_of(table.schema()) != columns:
        return _Change()
    summary = current.summary.additional_properties
    waits = source.landing is None and source.name in warehouse.ledger
    if source.landing is None and source.unit:
        return _Change(source.units_published()) if waits else None
    if waits:
        return _Change()
    if summary[_VERSION] == source.version:
        return None
    since = datetime.fromisoformat(summary[_BOUNDARY])
    if source.has_versions and since in warehouse.crawls and since < source.boundary_at:
        return _Change(source.units_changed(since))
    return _Change()


def _bring(
    warehouse: _Warehouse, source: LakeTable, table: Table, change: _Change, *, without_trace: bool
) -> bool:
    """Writes what changed; returns whether the whole table was replaced."""
    snapshot = warehouse.snapshot
    summary = {
        _VERSION: source.version,
        _BOUNDARY: source.boundary_at.isoformat(),
        _CRAWL: warehouse.crawls.get(source.boundary_at, ""),
    }
    target = Target(table, source, summary)
    units = change.units
    if units is not None:
        keys = _find_keys(snapshot, source, units)
        touched, is_much = ([], True) if keys is None else find_units(target, keys)
        if is_much:
            units = None
        else:
            rows = snapshot.chunks(source.select(units), source.schema)
            replace_units(target, keys, touched, rows)
    if units is None:
        rows = snapshot.chunks(source.select(), source.schema)
        replace_all(target, rows, without_trace=without_trace)
    _logger.info(
        "lake table written",
        table_name=source.full_name,
        row_count=_count_rows(table),
        whole=units is None,
    )
    return units is None


def _find_keys(snapshot: Snapshot, source: LakeTable, units: sql.Composed) -> pa.Array | None:
    """Units as texts, each once; None where one lacks a key, by which nothing is found."""
    names = [sql.Identifier(name) for name in source.unit]
    texts = [sql.SQL("{}::text").format(name) for name in names]
    keys = snapshot.rows(
        sql.SQL(
            "select distinct concat_ws({}, {}), num_nulls({}) > 0 from ({}) as units ({})"
        ).format(
            sql.Literal(KEY_SEPARATOR),
            sql.SQL(", ").join(texts),
            sql.SQL(", ").join(names),
            units,
            sql.SQL(", ").join(names),
        )
    )
    if any(lacks_key for _, lacks_key in keys):
        return None
    return pa.array([key for key, _ in keys], pa.string())


def _current(table: Table) -> int:
    snapshot = table.current_snapshot()
    assert snapshot is not None  # noqa: S101 (each table was written)
    return snapshot.snapshot_id


def _count_rows(table: Table) -> int:
    snapshot = table.current_snapshot()
    summary = snapshot.summary if snapshot else None
    return int(summary["total-records"] or 0) if summary else 0


def _new_tag(boundary_at: datetime, known: set[str]) -> str:
    """The tag of a crawl; with a number, where the crawl was published before."""
    name = f"as_of_{boundary_at:%Y%m%d_%H%M%S}"
    number = 1
    tag = name
    while tag in known:
        number += 1
        tag = f"{name}_{number}"
    return tag
