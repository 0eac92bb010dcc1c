"""What a person sees of an erasure: what would go, a question, and the proof that it went.

In: settings, a source and a user's id there. Out: a warehouse without them, and lines on the
terminal.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from rich import box
from rich.console import Console
from rich.table import Table

from ingestion.sources.catalogue import SOURCES
from operations.daily_run.dbt_build import build
from operations.erasure.completion import complete, is_forgotten
from operations.erasure.dead_rows import vacuum
from operations.erasure.errors import ErasureError
from operations.erasure.feed import erase_from_feed, has_feed
from operations.erasure.files import erase_files
from operations.erasure.lake import erase_from_lake, find_in_lake, has_lake
from operations.erasure.person import Person, find_person
from operations.erasure.remaining_traces import find_remaining_traces
from operations.erasure.rows import (
    count_rows,
    erase,
    erase_published,
    is_built,
    refuse_concurrent_writers,
)
from warehouse.consent import agrees, describe_operator
from warehouse.daily_steps import FEED, LAKE
from warehouse.foreign_code import refuse_foreign_code
from warehouse.ops.run_record import RunRecord
from warehouse.run_lock import hold_run_lock
from warehouse.run_log import get_logger
from warehouse.settings import Settings

_logger = get_logger(__name__)


@dataclass(frozen=True)
class _Outside:
    """Where a person can be outside of the tables."""

    is_in_lake: bool
    is_in_feed: bool


def run_forget(settings: Settings, source_name: str, user_id: str, *, agreed: bool) -> bool:
    """Forgets a person, and shows it.

    Args:
        settings: Which warehouse.
        source_name: The source, one of `SOURCES`.
        user_id: The source's id of the person.
        agreed: Do not ask.

    Returns:
        False when who was asked said no.

    Raises:
        ListenhouseError: Something has to be done; to run this again completes what was begun.
    """
    source = SOURCES.get(source_name)
    if source is None:
        raise ErasureError(f"There is no source {source_name!r}: give one of {', '.join(SOURCES)}.")
    if source.personal_endpoints:
        if not user_id.removeprefix("-").isdecimal():
            # what was given is not repeated: it can be an address
            raise ErasureError(
                f"This is not a user id of {source.name}: its ids are whole numbers, as in "
                "marts.dim_users."
            )
        user_id = str(int(user_id))
    record = RunRecord(settings, "listenhouse forget")
    console = Console(highlight=False)
    with record.logged(), hold_run_lock(settings) as lock, record.run():
        refuse_concurrent_writers(lock)
        outside = _Outside(has_lake(lock, settings), has_feed(lock, settings))
        known = is_forgotten(lock, settings, source, user_id)
        person = find_person(lock, settings, source, user_id)
        counts = count_rows(lock, person)
        if not counts and not known:
            raise ErasureError(
                f"Nothing was changed: no table has a row of a user of {source.name} with that id. "
                "It is the one in marts.dim_users; --source names another source."
            )
        console.print(_table(counts))
        if not agreed and not agrees(
            "Forget this user for ever, and build the marts anew?", "erase"
        ):
            console.print("Nothing was changed.")
            return False
        # not before: an id that was mistyped is no failure of the house
        record.begin()
        _forget(settings, lock, record, person, outside)
    key = "the key is in the settings" if settings.erasure_key else str(settings.erasure_key_file)
    console.print(
        "Forgotten: no table and no file has anything of that user, and no load brings them "
        f"back.\nThe act is in {source.schema}.erasures, without the user. Keep the key of its "
        f"tombstones ({key}) as long as the warehouse, and not in the same backup.\nBackups made "
        "before this, and PostgreSQL's log of changes, still have the user until they expire: see "
        "docs/security.md.",
        soft_wrap=True,
    )
    return True


def _forget(
    settings: Settings,
    lock: psycopg.Connection,
    record: RunRecord,
    person: Person,
    outside: _Outside,
) -> None:
    with record.step("erase"):
        erasure = erase(lock, settings, person, f"{describe_operator()}, as {lock.info.user}")
        files = erase_files(settings, person)
    try:
        if is_built(lock):
            with record.step("build"):
                # dbt reads views, which can be anybody's by now
                refuse_foreign_code(lock)
                # not tested: a test that fails, of whatever, must not keep a person in the tables
                then = "run `listenhouse forget` for the same user again"
                build(record, lock, tested=False, then=then)
    finally:
        # nor must a build that fails, or one that may not be published
        erasure = erase_published(lock, person, erasure)
    if outside.is_in_lake:
        with record.step(LAKE):
            erase_from_lake(settings, lock)
    if outside.is_in_feed:
        with record.step(FEED):
            erase_from_feed(settings, lock)
    with record.step("vacuum"):
        vacuum(settings, lock, erasure)
    with record.step("scan"):
        traces = find_remaining_traces(lock, settings, person)
        if outside.is_in_lake:
            traces |= dict.fromkeys(find_in_lake(settings, person), 1)
        if traces:
            listed = ", ".join(f"{name} ({count:,})" for name, count in traces.items())
            raise ErasureError(
                f"Data of the user are left in {listed}, which Listenhouse did not create and does "
                "not change. Delete or refresh them, and run this again."
            )
        complete(lock, settings, person)
    _logger.info(
        "person forgotten",
        row_count=sum(erasure.counts.values()),
        table_count=len(erasure.counts),
        file_count=files,
    )


def _table(counts: dict[str, int]) -> Table:
    table = Table("table", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("rows that go", justify="right")
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    return table
