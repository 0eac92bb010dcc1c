"""People who look at the marts again and again while something happens to them.

In: the URL of a warehouse. Out: each day that they saw, and how long the longest look took.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import IsolationLevel

ONE_SNAPSHOT = """
    select
        (select count(*) from marts.fct_listens),
        (select sum(listen_count)::bigint from marts.rpt_daily_track_listens),
        (select sum(listen_count)::bigint from marts.rpt_track_features),
        (select max(data_cutoff_at) from marts.rpt_user_features)
"""


@dataclass
class Readings:
    """What a reader saw.

    Attributes:
        days: Each combination of figures.
        looks: How often it looked.
        longest: The longest that one look took, in seconds.
        errors: What went wrong.
    """

    days: set[tuple[object, ...]] = field(default_factory=set)
    looks: int = 0
    longest: float = 0.0
    errors: list[str] = field(default_factory=list)


@contextmanager
def reading(
    url: str, look: Callable[[psycopg.Connection], tuple[object, ...]]
) -> Iterator[Readings]:
    """Looks again and again, until the block is left.

    A look that waits for a lock for more than a second is an error. PostgreSQL measures that: here
    a look can also wait for the interpreter, as while it collects garbage.
    """
    readings = Readings()
    is_over = threading.Event()

    def read() -> None:
        with psycopg.connect(url, autocommit=True, options="-c lock_timeout=1s") as connection:
            while not is_over.is_set():
                started_at = time.monotonic()
                try:
                    readings.days.add(look(connection))
                    readings.looks += 1
                except psycopg.Error as error:
                    readings.errors.append(str(error))
                readings.longest = max(readings.longest, time.monotonic() - started_at)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield readings
    finally:
        is_over.set()
        thread.join()


def in_one_statement(connection: psycopg.Connection) -> tuple[object, ...]:
    """Listens of the fact, of the daily report and of the features, and the day they are of."""
    row = connection.execute(ONE_SNAPSHOT, prepare=True).fetchone()
    assert row is not None
    return row


def in_one_transaction(connection: psycopg.Connection) -> tuple[object, ...]:
    """The same, and a moment later the listens of a view of the reader's own, `my_listens`."""
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        figures = in_one_statement(connection)
        time.sleep(0.05)
        again = connection.execute("select count(*) from public.my_listens").fetchone()
        assert again is not None
        return (*figures, *again)
