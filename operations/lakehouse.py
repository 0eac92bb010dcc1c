"""The lake as people and runs use it: publish, tables, history, rollback, verify.

In: settings. Out: a lake that shows the published day, and lines on the terminal.
"""

from __future__ import annotations

from datetime import UTC
from importlib.util import find_spec
from typing import TYPE_CHECKING

import psycopg
from rich import box
from rich.console import Console
from rich.table import Column, Table

from ingestion.sources.catalogue import SOURCES
from warehouse.daily_steps import LAKE
from warehouse.database import connect
from warehouse.errors import LakeError
from warehouse.ops.run_record import RunRecord
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings

if TYPE_CHECKING:
    from lake.publish import Report
    from lake.warehouse_tables import LandingTable

# The libraries of the lake come with an extra, and are imported where they are used.


def require_lake(settings: Settings) -> None:
    """Raises where there is no lake to work on.

    Args:
        settings: Where it is.

    Raises:
        LakeError: It is not switched on, or what it needs is not installed; says how to.
    """
    if settings.lake is None:
        raise LakeError(
            "There is no lake: set LISTENHOUSE_LAKE to a folder, or to a URL that starts with "
            "s3://, gs:// or abfs:// (docs/lakehouse.md)."
        )
    if find_spec("pyiceberg") is None:
        raise LakeError(
            "The lake needs PyIceberg, which is not installed: run `make lake`, or `pip install "
            "'listenhouse[lake]'`."
        )


def publish_to_lake(settings: Settings, lock: psycopg.Connection, *, whole: bool = False) -> Report:
    """Brings the lake to the day that people read.

    Args:
        settings: Which warehouse, and which lake.
        lock: Connection that holds the run's lock.
        whole: Replace every table, and keep this publication only.

    Raises:
        LakeError: It cannot be written; says what to do.
    """
    require_lake(settings)
    from lake.publish import publish  # noqa: PLC0415

    # seen on a terminal only
    with Console(stderr=True).status("The lake …") as status:
        return publish(
            settings,
            lock,
            landing_tables(settings),
            whole=whole,
            tell=lambda table: status.update(f"The lake: {table} …"),
        )


def run_publish(settings: Settings, *, whole: bool) -> None:
    """Brings the lake to the day that people read, as a run of its own, and says what changed.

    Args:
        settings: Which warehouse, and which lake.
        whole: Replace every table, and keep this publication only.

    Raises:
        ListenhouseError: It cannot be written; says what to do.
    """
    require_lake(settings)
    record = RunRecord(settings, "listenhouse lake publish")
    with record.logged(), hold_run_lock(settings) as lock, record.run():
        record.begin()
        with record.step(LAKE):
            report = publish_to_lake(settings, lock, whole=whole)
    print_published(report)


def print_published(report: Report) -> None:
    """Prints what a publication to the lake did.

    Args:
        report: What it did.
    """
    day = f"{report.boundary_at:%F %T} UTC"
    line = f"The lake shows {day} already, under the tag {report.tag}: nothing was to be done."
    if report.is_new:
        line = (
            f"The lake shows {day}, under the tag {report.tag}: {len(report.whole)} tables were "
            f"replaced, {len(report.by_unit)} in part."
        )
    _console().print(line, soft_wrap=True)


def print_tables(settings: Settings) -> None:
    """Prints the tables of the lake.

    Args:
        settings: Which warehouse, and which lake.

    Raises:
        ListenhouseError: It cannot be read; says what to do.
    """
    require_lake(settings)
    from lake.inspection import read_tables  # noqa: PLC0415

    table = Table(Column("table", no_wrap=True), box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("rows", "files", "MB"):
        table.add_column(heading, justify="right")
    table.add_column("changed by the crawl of")
    for figures in read_tables(settings):
        table.add_row(
            figures.name,
            f"{figures.row_count:,}",
            f"{figures.file_count:,}",
            f"{figures.megabytes:,.2f}",
            figures.boundary,
        )
    _console().print(table)


def print_history(settings: Settings) -> None:
    """Prints the publications that the lake keeps, and which one its tables are at.

    Args:
        settings: Which warehouse, and which lake.

    Raises:
        ListenhouseError: It cannot be read; says what to do.
    """
    require_lake(settings)
    from lake.inspection import read_tables  # noqa: PLC0415
    from lake.publications import read_publications  # noqa: PLC0415

    present = {figures.name: figures.snapshot_id for figures in read_tables(settings)}
    # the tag says which crawl
    tag = Column("tag", no_wrap=True)
    table = Table(tag, "published (UTC)", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("rows", justify="right")
    table.add_column("")
    with connect(settings, "listenhouse lake") as connection:
        for one in read_publications(connection):
            is_shown = dict(one.tables).items() <= present.items()
            table.add_row(
                one.tag,
                f"{one.published_at.astimezone(UTC):%F %T}",
                f"{one.row_count:,}",
                "shown" if is_shown else "",
            )
    _console().print(table)


def run_rollback(settings: Settings, tag: str) -> None:
    """Sets the tables of the lake back to a publication, and says what the next one will do.

    Args:
        settings: Which warehouse, and which lake.
        tag: The publication's tag.

    Raises:
        ListenhouseError: The lake does not keep it; says which it does.
    """
    require_lake(settings)
    from lake.rollback import roll_back  # noqa: PLC0415

    record = RunRecord(settings, "listenhouse lake rollback")
    with record.logged(), hold_run_lock(settings) as lock, record.run():
        record.begin()
        with record.step("rollback"):
            publication = roll_back(settings, lock, tag)
    _console().print(
        f"{len(publication.tables)} tables are as of {publication.boundary_at:%F %T} UTC. The next "
        "publication replaces them whole with the day that is published then: leave out the step "
        "of the run by unsetting LISTENHOUSE_LAKE, if they are to stay.",
        soft_wrap=True,
    )


def run_verify(settings: Settings) -> bool:
    """Compares the lake with PostgreSQL, and shows it.

    Args:
        settings: Which warehouse, and which lake.

    Returns:
        Whether all tables are equal.

    Raises:
        ListenhouseError: They cannot be compared; says what to do.
    """
    require_lake(settings)
    from lake.verification import verify  # noqa: PLC0415

    with hold_run_lock(settings) as lock:
        compared = verify(settings, lock, landing_tables(settings))
    table = Table(Column("table", no_wrap=True), box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("PostgreSQL", "lake"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for one in compared:
        table.add_row(
            one.name,
            f"{one.database.row_count:,}",
            f"{one.lake.row_count:,}" if one.lake else "missing",
            "" if one.is_equal else "differs",
        )
    console = _console()
    console.print(table)
    differing = [one.name for one in compared if not one.is_equal]
    said = "All tables have the same rows."
    if differing:
        said = (
            f"Differs: {', '.join(differing)}. `listenhouse lake publish --whole` makes all tables "
            "anew."
        )
    console.print(said, soft_wrap=True)
    return not differing


def landing_tables(settings: Settings) -> list[LandingTable]:
    """What goes to the lake of landing: without personal columns, unless they are asked for.

    Args:
        settings: Whether they are.
    """
    from lake.warehouse_tables import LandingTable  # noqa: PLC0415

    records = [
        LandingTable(
            source=source.name,
            schema=source.schema,
            name=endpoint.name,
            key=endpoint.key[0] if source.is_crawled else None,
            columns=None if settings.lake_personal else endpoint.impersonal_columns,
        )
        for source in SOURCES.values()
        for endpoint in source.endpoints
    ]
    # which crawls there are, without which nobody knows as of when landing can be read
    crawls = [
        LandingTable(source.name, source.schema, "crawls", None, None, event_at="boundary_at")
        for source in SOURCES.values()
        if source.is_crawled
    ]
    return [*records, *crawls]


def _console() -> Console:
    return Console(highlight=False, markup=False)
