"""The metrics of the warehouse, for Prometheus.

In: the warehouse, read anew for each scrape; nothing is kept in between, so a restart loses
nothing. Out: an HTTP server, or text in Prometheus' exposition format. A warehouse that cannot
be read is a metric too, not an error.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIServer

import psycopg
from prometheus_client import (
    CollectorRegistry,
    ProcessCollector,
    generate_latest,
    start_http_server,
    write_to_textfile,
)
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from psycopg.rows import dict_row

from monitoring.metrics.queries import PARTS, PREFIX, Part
from warehouse.database import connect
from warehouse.errors import DatabaseError, MetricsServerError, OutputError
from warehouse.settings import Settings

# connecting and all parts together: less than the 10 seconds that Prometheus waits
_CONNECT_SECONDS = 3
_PARTS_SECONDS = 6.0
_PART_SECONDS = 2.0

_MAX_SCRAPES = 4
"""Scrapes at the same time: those that hang on a broken server must not pile up."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Reading:
    """What came of a part.

    Attributes:
        part: Which.
        seconds: How long it took.
        rows: Its rows by column, None when it failed.
    """

    part: Part
    seconds: float
    rows: Sequence[Mapping[str, Any]] | None


class WarehouseCollector(Collector):
    """Reads all metrics from the warehouse, at each scrape."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._places = threading.BoundedSemaphore(_MAX_SCRAPES)
        self._complaints: dict[str, str] = {}

    def collect(self) -> Iterator[Metric]:
        """Yields every metric that can be read.

        A database that cannot be reached is `listenhouse_up 0`, a part that cannot be read
        `listenhouse_scrape_part_success 0`; the log says why, once.
        """
        begin = time.perf_counter()
        readings = self._read_all()
        yield _gauge("up", "1 when the warehouse's database answers.", readings is not None)
        yield InfoMetricFamily(
            f"{PREFIX}build", "Version of Listenhouse.", {"version": version("listenhouse")}
        )
        for reading in readings or ():
            yield from _to_metrics(reading)
        success = GaugeMetricFamily(
            f"{PREFIX}scrape_part_success", "1 when this part could be read.", labels=["part"]
        )
        duration = GaugeMetricFamily(
            f"{PREFIX}scrape_part_duration_seconds", "How long reading it took.", labels=["part"]
        )
        for reading in readings or ():
            success.add_metric([reading.part.name], reading.rows is not None)
            duration.add_metric([reading.part.name], reading.seconds)
        yield success
        yield duration
        yield _gauge(
            "scrape_duration_seconds",
            "How long reading the warehouse took.",
            time.perf_counter() - begin,
        )

    def _read_all(self) -> list[_Reading] | None:
        """Every part, or None where the database does not answer."""
        if not self._places.acquire(timeout=_CONNECT_SECONDS):
            self._complain("database", f"{_MAX_SCRAPES} scrapes are still waiting for an answer")
            return None
        try:
            with connect(
                self._settings, "listenhouse metrics", timeout_seconds=_CONNECT_SECONDS
            ) as connection:
                # compiling costs more than queries of milliseconds can gain
                connection.execute("set default_transaction_read_only = on; set jit = off")
                deadline = time.monotonic() + _PARTS_SECONDS
                readings = [self._read(connection, part, deadline) for part in PARTS]
        except (DatabaseError, psycopg.Error) as error:
            self._complain("database", _first_line(error))
            return None
        finally:
            self._places.release()
        self._complain("database", None)
        return readings

    def _read(self, connection: psycopg.Connection, part: Part, deadline: float) -> _Reading:
        begin = time.perf_counter()
        # 0 would be no limit at all
        limit = max(0.001, min(_PART_SECONDS, deadline - time.monotonic()))
        try:
            connection.execute(
                "select set_config('statement_timeout', %s, false)", (f"{round(limit * 1000)}ms",)
            )
            cursor = connection.cursor(row_factory=dict_row)
            rows = []
            if not part.only_with or _exists(connection, part.only_with):
                rows = cursor.execute(part.common + part.query).fetchall()
        except psycopg.Error as error:
            if connection.closed:
                raise
            self._complain(part.name, _first_line(error))
            return _Reading(part, time.perf_counter() - begin, None)
        self._complain(part.name, None)
        return _Reading(part, time.perf_counter() - begin, rows)

    def _complain(self, part: str, cause: str | None) -> None:
        """Says what is wrong when it begins, and that it is over: scrapes come every minute."""
        if cause is None:
            if self._complaints.pop(part, None) is not None:
                _logger.info("metrics read again part=%s", part)
        elif self._complaints.get(part) != cause:
            self._complaints[part] = cause
            _logger.warning("metrics not read part=%s cause=%r", part, cause)


def start_server(settings: Settings, host: str, port: int) -> tuple[WSGIServer, threading.Thread]:
    """Starts to serve the metrics, over HTTP and without a password.

    Args:
        settings: Which warehouse.
        host: Address to listen on.
        port: TCP port.

    Returns:
        The server, and the thread that it runs in.

    Raises:
        MetricsServerError: It cannot listen there.
    """
    registry = CollectorRegistry()
    registry.register(WarehouseCollector(settings))
    # of the server itself, in the names that all Prometheus clients use
    ProcessCollector(registry=registry)
    try:
        return start_http_server(port, host, registry)
    except OSError as error:
        raise MetricsServerError(
            f"The metrics cannot be served at {host}:{port} ({error.strerror}): choose a free port "
            "with --port or LISTENHOUSE_METRICS_PORT, or an address of this machine with --host."
        ) from error


def read_metrics(settings: Settings) -> str:
    """Reads the metrics once.

    Args:
        settings: Which warehouse.

    Returns:
        Prometheus' text format.
    """
    return generate_latest(_registry_of(settings)).decode()


def write_metrics(settings: Settings, output: Path) -> None:
    """Reads the metrics once and writes them, whole or not at all.

    Args:
        settings: Which warehouse.
        output: The file; node_exporter reads those that end with `.prom`.

    Raises:
        OutputError: The file cannot be written.
    """
    try:
        write_to_textfile(str(output), _registry_of(settings))
    except OSError as error:
        raise OutputError(
            f"The metrics cannot be written to {output} ({error.strerror}): name another file with "
            "--output."
        ) from error


def _registry_of(settings: Settings) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(WarehouseCollector(settings))
    return registry


def _to_metrics(reading: _Reading) -> Iterator[Metric]:
    """A metric for each of a part's columns that is none of its labels."""
    for name, text in reading.part.metrics.items():
        family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        metric = family(PREFIX + name, text)
        for row in reading.rows or ():
            if row[name] is not None:
                labels = {label: row[label] for label in reading.part.labels if row[label]}
                metric.add_sample(PREFIX + name, labels, row[name])
        metric.samples.sort(key=lambda sample: tuple(sample.labels.values()))
        yield metric


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, text, value=value)


def _exists(connection: psycopg.Connection, table: str) -> bool:
    row = connection.execute("select to_regclass(%s) is not null", (table,)).fetchone()
    return bool(row and row[0])


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
