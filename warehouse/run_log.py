"""One structured line per event: readable on the terminal, JSON in a file per run.

In: what any module or library logs. Out: lines on standard error, and a file per run below
`LISTENHOUSE_HOME`. Each line has the run's id, the step and the endpoint; none has a secret or
personal data. Fields are those of the Elastic Common Schema where it has them, and ours in
`listenhouse`: see docs/logging.md. A log that cannot be written never ends a run.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

import structlog
from structlog.contextvars import get_contextvars
from structlog.processors import JSONRenderer, LogfmtRenderer
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.tracebacks import extract
from structlog.typing import EventDict, Processor

from warehouse.redaction import redacted
from warehouse.settings import Settings

RUN_ENDED = "run ended"

ECS_VERSION = "8.11.0"

_MAX_FRAMES = 50

_run_fields: dict[str, object] = {}
"""Fields of every line of the process, whichever thread logs it: there is one run at a time, and
what threads of dlt and dbt say meanwhile belongs to its step. What differs by thread, such as the
endpoint, is in context variables; threads that libraries start would not inherit them."""

_own_voice: set[str] = set()
"""Loggers of libraries that write to the terminal themselves, if they are told to."""


def get_logger(name: str) -> BoundLogger:
    """A logger whose events are a short constant text and fields.

    Args:
        name: The module's name.
    """
    logger: BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=BoundLogger,
        cache_logger_on_first_use=True,
    )
    return logger


@contextmanager
def run_fields(**fields: object) -> Iterator[None]:
    """Adds fields to every line that the process logs while the block runs."""
    before = {name: _run_fields.get(name) for name in fields}
    _run_fields.update(fields)
    try:
        yield
    finally:
        _run_fields.update(before)


def log_to_terminal(settings: Settings) -> None:
    """Writes lines to standard error from now on, once per process.

    Args:
        settings: Level and form.
    """
    terminal = _Terminal()
    terminal.setLevel(settings.log_level.upper())
    if settings.log_format == "json":
        terminal.setFormatter(_formatter(settings, JSONRenderer(ensure_ascii=False)))
    else:
        terminal.setFormatter(_formatter(settings, _as_text))
        terminal.addFilter(_is_not_said_elsewhere)
    logging.basicConfig(handlers=[terminal], level=min(terminal.level, logging.INFO))


@contextmanager
def log_to_file(settings: Settings, run_id: UUID, started_at: datetime) -> Iterator[None]:
    """Writes lines of level info and above to the run's file while the block runs.

    Args:
        settings: Where the files are, and how many are kept.
        run_id: The run's id, a field of every line.
        started_at: When the run began, in UTC.
    """
    path = settings.log_directory / f"{started_at:%Y%m%dT%H%M%SZ}-{str(run_id)[:8]}.jsonl"
    handler: logging.Handler = logging.NullHandler()
    with run_fields(run_id=str(run_id)):
        if settings.log_files:
            try:
                _make_room(settings)
                handler = _RunFile(path)
            except OSError as error:
                _warn_of(path, error)
        handler.setLevel(logging.INFO)
        handler.setFormatter(_formatter(settings, JSONRenderer(ensure_ascii=False)))
        root = logging.getLogger()
        level_before = root.level
        root.setLevel(min(level_before, logging.INFO))
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)
            root.setLevel(level_before)
            with suppress(OSError):
                handler.close()


def adopt(name: str) -> None:
    """Lets the errors of a library through that keeps its lines from everybody else.

    What it writes to the terminal by itself stays what it was told to write; what it was told to
    write beyond errors is in the run's file as well.

    Args:
        name: Name of its logger. Nothing happens outside of a run.
    """
    logger = logging.getLogger(name)
    if not _run_fields.get("run_id") or logger.propagate:
        return
    for handler in logger.handlers:
        # its own, not one that somebody else hung there: pytest's see every logger's lines
        if type(handler) is logging.StreamHandler:
            handler.setLevel(logger.level)
    logger.setLevel(min(logger.level, logging.ERROR))
    logger.propagate = True
    _own_voice.add(name)


class _Terminal(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is just then: a progress bar puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        self.setStream(sys.stderr)
        super().emit(record)


class _RunFile(logging.FileHandler):
    """Writes a line at a time, so that a killed run leaves whole lines; gives up on an error."""

    def __init__(self, path: Path) -> None:
        # what is no valid Unicode becomes an escape, which JSON has as well
        super().__init__(path, encoding="utf-8", errors="backslashreplace")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 (logging's)
        logging.getLogger().removeHandler(self)
        with suppress(OSError):
            self.close()
        _warn_of(Path(self.baseFilename), sys.exc_info()[1])


def _warn_of(path: Path, error: BaseException | None) -> None:
    cause = error.strerror if isinstance(error, OSError) else repr(error)
    get_logger(__name__).warning("run log not written", file=str(path), cause=cause)


def _make_room(settings: Settings) -> None:
    """Deletes the oldest files, so that with the new one there are as many as are kept."""
    settings.log_directory.mkdir(parents=True, exist_ok=True)
    # names begin with the time
    files = sorted(settings.log_directory.glob("*T*Z-????????.jsonl"), reverse=True)
    for path in files[settings.log_files - 1 :]:
        path.unlink(missing_ok=True)


def _is_not_said_elsewhere(record: logging.LogRecord) -> bool:
    """Keeps off the terminal what the command or a library says there itself."""
    is_told = isinstance(record.msg, dict) and record.msg.get("event") == RUN_ENDED
    return record.name not in _own_voice and not (is_told and record.levelno > logging.INFO)


def _formatter(settings: Settings, renderer: Processor) -> ProcessorFormatter:
    to_ecs = partial(_to_ecs, secrets=settings.secrets)
    return ProcessorFormatter(processors=[to_ecs, renderer])


def _to_ecs(
    _logger: object, _method: str, event: EventDict, *, secrets: frozenset[str]
) -> EventDict:
    """Makes an event a line of the Elastic Common Schema, with nothing private in it."""

    def public(value: object) -> object:
        return value if isinstance(value, bool | int | float) else redacted(str(value), secrets)

    record: logging.LogRecord = event.pop("_record")
    message, exc_info = event.pop("event"), event.pop("exc_info", None)
    for name in ("_from_structlog", "stack_info"):
        event.pop(name, None)
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    # context variables come in no order
    fields = {**_run_fields, **dict(sorted(get_contextvars().items())), **event}
    line: dict[str, Any] = {
        "@timestamp": f"{datetime.fromtimestamp(record.created, UTC):%FT%T.%f}Z",
        "log.level": record.levelname.lower(),
        "message": public(message),
        "ecs.version": ECS_VERSION,
        "service.name": "listenhouse",
        "log.logger": record.name,
        "process.thread.name": record.threadName,
    }
    if isinstance(error, BaseException):
        line["error.type"] = type(error).__name__
        line["error.message"] = public(error)
        line["error.stack_trace"] = _stack_trace(error, secrets)
    line["listenhouse"] = {
        name: public(value) for name, value in fields.items() if value is not None
    }
    return line


def _stack_trace(error: BaseException, secrets: frozenset[str]) -> str:
    """The frames of an error and its causes, the first cause first, without any value."""
    trace = extract(type(error), error, error.__traceback__, show_locals=False)
    lines: list[str] = []
    for stack in reversed(trace.stacks):
        frames = stack.frames[-_MAX_FRAMES:]
        lines += [
            f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}' for frame in frames
        ]
        lines.append(f"{stack.exc_type}: {redacted(stack.exc_value, secrets)}")
    return "\n".join(lines)


_render_fields = LogfmtRenderer(bool_as_flag=False)


def _as_text(logger: Any, method: str, line: EventDict) -> str:
    """Renders a line for people: level, event, its own fields, then those of the run."""
    fields = dict(line["listenhouse"])
    step, run_id = fields.pop("step", None), fields.pop("run_id", "")
    if "error.type" in line:
        fields["error"] = f"{line['error.type']}: {line['error.message']}"
    fields |= {"step": step} if step else {}
    fields |= {"run_id": run_id[:8]} if run_id else {}
    text = f"{line['log.level'].upper()} {line['message']} {_render_fields(logger, method, fields)}"
    # a name that the API serves can hold what moves a terminal's cursor
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: repr(found[0])[1:-1], text).rstrip()
