"""The errors a person can cause or has to act on.

Each message says what happened, to which record or step, and what to do next. The command
line prints it as one line and exits with `exit_code`; `--debug` shows the traceback.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

INTERRUPTED, TERMINATED = 130, 143
"""Exit codes after Ctrl-C and SIGTERM: 128 + the signal, as shells have it."""


class Termination(KeyboardInterrupt):
    """SIGTERM: ends a command as Ctrl-C does, so that dbt cancels what it has under way."""


class TimeIsUp(KeyboardInterrupt):
    """The time of a step is up: ends it as Ctrl-C does."""


class ListenhouseError(Exception):
    """Base of all expected failures: printed without a traceback, exits with 1."""

    exit_code = 1


class SettingsError(ListenhouseError):
    """A setting cannot be used as it is."""


class DiskError(ListenhouseError):
    """A file of ours cannot be written."""


class DatabaseError(ListenhouseError):
    """PostgreSQL cannot be reached, entered or written to."""


class EmbeddedPostgresError(DatabaseError):
    """The embedded PostgreSQL cannot be created, started or stopped."""


class KafkaError(ListenhouseError):
    """Kafka cannot be reached, or refuses."""


class SimulatorError(ListenhouseError):
    """The simulator cannot be started."""


class SourceError(ListenhouseError):
    """The API cannot be reached or does not keep its contract."""


class IncompleteCrawlError(SourceError):
    """The pages of an endpoint do not add up to what the API reports."""


class ShrunkSourceError(SourceError):
    """The API serves far less than, or something else than, the last crawl held."""


class BusyError(ListenhouseError):
    """Another run holds the lock (exit code 75, EX_TEMPFAIL: try again later)."""

    exit_code = 75


class ClockError(ListenhouseError):
    """A clock is ahead of the database server's, or was when a crawl was committed."""


class ConsentError(ListenhouseError):
    """Nobody could be asked whether to do what cannot be undone."""


class LandingError(ListenhouseError):
    """dlt could not merge a crawl into landing."""


class StepFailedError(ListenhouseError):
    """A step of the daily run failed; its own output says why."""


class StepTimedOutError(StepFailedError):
    """A step of the daily run took longer than it may."""


class MetricsServerError(ListenhouseError):
    """The metrics cannot be served."""


class ApiServerError(ListenhouseError):
    """The API cannot be served."""


class OutputError(ListenhouseError):
    """A file that was asked for cannot be written."""


class RecommenderError(ListenhouseError):
    """Recommendations cannot be computed, or a model cannot be trained or put in place."""


class LakeError(ListenhouseError):
    """The lake cannot be opened, written or read."""


def is_full(error: OSError) -> bool:
    """Whether what failed is that a disk, a quota or a limit of files is full."""
    return error.errno in _FULL


def describe_unwritable(place: Path | str, error: OSError) -> str:
    """Says that nothing can be written somewhere below LISTENHOUSE_HOME, why, and what to do.

    Args:
        place: The folder, or the file.
        error: What the operating system said.
    """
    cause = os.strerror(error.errno) if error.errno else str(error)
    remedy = "free some space there" if is_full(error) else "correct its rights"
    return (
        f"{place} cannot be written ({cause}): {remedy}, or choose another folder with "
        "LISTENHOUSE_HOME"
    )


def full_disk(error: OSError) -> DiskError | None:
    """What a command says where the disk is full and nobody said so before; None otherwise.

    Args:
        error: What ended the command.
    """
    if not is_full(error):
        return None
    return DiskError(
        f"{describe_unwritable(error.filename or 'A file', error)}, then run this again. What was "
        "committed stays."
    )
