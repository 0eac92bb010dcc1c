"""The record of one run: what it did when, what it cost, how it ended.

In: the steps of a run. Out: rows in schema `ops`. A record that cannot be written is a
warning in the log and never the end of a run; a run that dies without a word is marked as
died by the next one.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from typing import Any

import psycopg
from psycopg import sql

from warehouse.database import connect, describe
from warehouse.errors import DatabaseError, Termination, TimeIsUp
from warehouse.ops.resource_usage import ResourceUsage, measured
from warehouse.ops.tables import SCHEMA, create_tables
from warehouse.redaction import without_values
from warehouse.run_log import RUN_ENDED, get_logger, log_to_file, run_fields
from warehouse.settings import Settings

_logger = get_logger(__name__)


RESUME = " --resume"
"""How the command of a run ends that goes on where another one failed: both try the same."""


class RunStatus(StrEnum):
    """How a run, or a step of it, stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    DIED = "died"


class RunRecord:
    """Writes the record of one run, as it goes on.

    What happens before the database can be reached is kept and written by `begin`.

    Attributes:
        run_id: Identifies the run in every table of schema `ops`.
        command: What runs.
        seconds: Duration of the steps that are over, in order.
    """

    def __init__(self, settings: Settings, command: str) -> None:
        self.run_id = uuid.uuid4()
        self.seconds: dict[str, float] = {}
        self._settings = settings
        self.command = command
        self._started_at = datetime.now(UTC)
        self._connection: psycopg.Connection | None = None
        self._steps: dict[str, dict[str, Any]] = {}

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Writes the run's log file while the block runs, its start and its end included."""
        begin = time.perf_counter()
        with log_to_file(self._settings, self.run_id, self._started_at):
            _logger.info(
                "run started",
                command=self.command,
                trigger=self._settings.trigger,
                code_version=version("listenhouse"),
                host=socket.gethostname(),
                pid=os.getpid(),
                source=self._settings.api_location,
                database=describe(self._settings),
            )
            level, status, failure = logging.INFO, RunStatus.SUCCEEDED, None
            try:
                yield
            except BaseException as error:
                status, _ = _ending_of(error)
                level = logging.ERROR if status == RunStatus.FAILED else logging.WARNING
                failure = error
                raise
            finally:
                _logger.log(
                    level,
                    RUN_ENDED,
                    status=status,
                    failed_step=self._failed_step(),
                    duration_seconds=round(time.perf_counter() - begin, 3),
                    exc_info=failure,
                )

    def begin(self) -> None:
        """Opens the record. Call it with the run's lock held: then no other run is alive."""
        try:
            self._connection = connect(self._settings, "listenhouse run record")
        except DatabaseError as error:
            _logger.warning("run not recorded", cause=str(error))
            return
        self._write(self._open)
        for step in self._steps.values():
            self._insert("steps", [step])

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Records a step: its time, what it used, and how it ended.

        Args:
            name: Name of the step. One that is tried again keeps its start, and has the rest of
                its last try.
        """
        key = {"run_id": self.run_id, "step": name}
        is_new = name not in self._steps
        row = self._steps.setdefault(name, key | {"started_at": datetime.now(UTC)})
        row |= {"status": RunStatus.RUNNING, "message": None}
        if is_new:
            self._insert("steps", [row])
        else:
            self._update("steps", key, row)
        usage = ResourceUsage()
        begin = time.perf_counter()
        with run_fields(step=name):
            _logger.info("step started")
            try:
                with measured() as usage:
                    yield
            except BaseException as error:
                row["status"], row["message"] = _ending_of(error)
                raise
            else:
                row["status"] = RunStatus.SUCCEEDED
            finally:
                self.seconds[name] = time.perf_counter() - begin
                row["ended_at"] = datetime.now(UTC)
                row |= vars(usage)
                self._update("steps", key, row)
                _logger.info(
                    "step ended",
                    status=row["status"],
                    message=row["message"],
                    duration_seconds=round(self.seconds[name], 3),
                    cpu_seconds=round(usage.cpu_seconds, 3),
                    peak_memory_bytes=usage.peak_memory_bytes,
                    read_bytes=usage.read_bytes,
                    written_bytes=usage.written_bytes,
                )

    def add(self, table: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Adds rows to a table of schema `ops`, in place of those of a try that failed.

        Args:
            table: Name of the table.
            rows: Values by column, but for the run's id; the same columns in each.
        """
        self._write(
            lambda connection: connection.execute(
                sql.SQL("delete from {} where run_id = %s").format(sql.Identifier(SCHEMA, table)),
                (self.run_id,),
            )
        )
        self._insert(table, [{"run_id": self.run_id, **row} for row in rows])

    def fail(self, message: str) -> None:
        """Records from another thread that the run failed, where its own does not come back.

        Args:
            message: Why.
        """
        values = {"status": RunStatus.FAILED, "message": message, "ended_at": datetime.now(UTC)}
        running = [
            name for name, step in self._steps.items() if step["status"] == RunStatus.RUNNING
        ]
        try:
            # the run's own connection may be in the middle of something
            self._connection = connect(self._settings, "listenhouse run record")
        except DatabaseError as error:
            _logger.warning("end of the run not recorded", cause=str(error))
            return
        for name in running:
            self._update("steps", {"run_id": self.run_id, "step": name}, values)
        failed = values | {"failed_step": running[-1] if running else None}
        self._update("runs", {"run_id": self.run_id}, failed)
        _logger.error(RUN_ENDED, **failed)

    @contextmanager
    def run(self) -> Iterator[RunRecord]:
        """Records how the run in the block ends."""
        status, message = RunStatus.SUCCEEDED, None
        try:
            yield self
        except BaseException as error:
            status, message = _ending_of(error)
            raise
        finally:
            self._update(
                "runs",
                {"run_id": self.run_id},
                {
                    "status": status,
                    "message": message,
                    "failed_step": self._failed_step(),
                    "ended_at": datetime.now(UTC),
                },
            )
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _failed_step(self) -> str | None:
        failed = [name for name, step in self._steps.items() if step["message"]]
        return failed[-1] if failed else None

    def _open(self, connection: psycopg.Connection) -> None:
        create_tables(connection)
        # the lock is ours, so nobody is running
        for table in ("steps", "runs"):
            connection.execute(
                sql.SQL("update {} set status = %s where status = %s").format(
                    sql.Identifier(SCHEMA, table)
                ),
                (RunStatus.DIED, RunStatus.RUNNING),
            )
        connection.execute(
            """
            insert into ops.runs (
                run_id, command, trigger, attempt, code_version, host, pid, status, started_at
            )
            with alike as (
                select * from ops.runs
                where replace(command, %(resume)s, '') = replace(%(command)s, %(resume)s, '')
            )
            select
                %(run_id)s, %(command)s, %(trigger)s, 1 + count(*), %(code_version)s, %(host)s,
                %(pid)s, %(running)s, %(started_at)s
            from alike
            where started_at > coalesce(
                (select max(started_at) from alike where status = %(succeeded)s), '-infinity'
            )
            """,
            {
                "run_id": self.run_id,
                "command": self.command,
                "resume": RESUME,
                "trigger": self._settings.trigger,
                "code_version": version("listenhouse"),
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "running": RunStatus.RUNNING,
                "started_at": self._started_at,
                "succeeded": RunStatus.SUCCEEDED,
            },
        )

    def _insert(self, table: str, rows: Sequence[Mapping[str, object]]) -> None:
        if not rows:
            return
        names = list(rows[0])
        statement = sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(SCHEMA, table),
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join(map(sql.Placeholder, names)),
        )

        def insert(connection: psycopg.Connection) -> None:
            connection.cursor().executemany(statement, rows)

        self._write(insert)

    def _update(self, table: str, key: Mapping[str, object], values: Mapping[str, object]) -> None:
        changed = {name: value for name, value in values.items() if name not in key}
        statement = sql.SQL("update {} set {} where {}").format(
            sql.Identifier(SCHEMA, table),
            sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
                for name in changed
            ),
            sql.SQL(" and ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
                for name in key
            ),
        )
        self._write(lambda connection: connection.execute(statement, {**changed, **key}))

    def _write(self, write: Callable[[psycopg.Connection], object]) -> None:
        if self._connection is None:
            return
        try:
            with self._connection.transaction():
                write(self._connection)
        except psycopg.Error as error:
            cause = str(error).strip().split("\n")[0]
            # who may not create schemas is told so by the load, which needs the right as well
            level = (
                logging.INFO
                if isinstance(error, psycopg.errors.InsufficientPrivilege)
                else logging.WARNING
            )
            _logger.log(level, "no longer recorded", cause=cause)
            self._connection.close()
            self._connection = None


def _ending_of(error: BaseException) -> tuple[RunStatus, str]:
    if isinstance(error, Termination):
        # a scheduler whose patience ends sends it: nobody watches as with Ctrl-C
        return RunStatus.FAILED, "ended by SIGTERM: did the time of a scheduler run out?"
    if isinstance(error, TimeIsUp):
        return RunStatus.FAILED, str(error)
    if isinstance(error, KeyboardInterrupt):
        return RunStatus.INTERRUPTED, "interrupted by a signal"
    return RunStatus.FAILED, without_values(str(error) or type(error).__name__)
