"""What a load leaves in the record of its run: figures by table, requests by endpoint.

In: a load's report, its counters. Out: rows of `ops.loads`, `ops.column_profiles`,
`ops.schema_changes` and `ops.http_requests`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import numpy as np
from psycopg.types.json import Jsonb

from ingestion.crawl.pages import EndpointRequests, HttpCounters
from ingestion.landing.load import LoadReport
from warehouse.ops.run_record import RunRecord
from warehouse.run_log import get_logger

_logger = get_logger(__name__)


@contextmanager
def recorded_requests(record: RunRecord) -> Iterator[HttpCounters]:
    """Counts the requests of the block and records them, however it ends.

    Args:
        record: The run's record.

    Yields:
        The counters to load with.
    """
    http = HttpCounters()
    try:
        yield http
    finally:
        for name, counted in http.endpoints.items():
            _log_requests(name, counted)
        record.add(
            "http_requests",
            [_describe_requests(name, counted) for name, counted in http.endpoints.items()],
        )


def record_load(record: RunRecord, report: LoadReport) -> None:
    """Records what was landed.

    Args:
        record: The run's record.
        report: A load that went through.
    """
    record.add(
        "loads",
        [
            {
                "crawl_id": report.crawl.crawl_id,
                "load_id": report.crawl.load_id,
                "table_name": name,
                **asdict(figures),
                "opened": report.opened[name],
                "closed": report.closed[name],
                "job_count": report.package.jobs.get(name, 0),
                "job_bytes": report.package.job_bytes.get(name, 0),
            }
            for name, figures in report.crawl.figures.items()
        ],
    )
    record.add(
        "column_profiles",
        [
            {"table_name": table, "column_name": column, "null_count": null_count}
            for table, null_counts in report.package.null_counts.items()
            for column, null_count in null_counts.items()
        ],
    )
    record.add(
        "schema_changes",
        [{"description": description} for description in report.drift],
    )
    for name, figures in report.crawl.figures.items():
        _logger.info(
            "table landed",
            table_name=name,
            crawl_id=report.crawl.crawl_id,
            load_id=report.crawl.load_id,
            **{f"{figure}_count": count for figure, count in asdict(figures).items()},
            opened_count=report.opened[name],
            closed_count=report.closed[name],
            job_count=report.package.jobs.get(name, 0),
            job_bytes=report.package.job_bytes.get(name, 0),
        )


def _log_requests(endpoint: str, counted: EndpointRequests) -> None:
    p50, p95 = np.quantile(np.frombuffer(counted.latencies), [0.5, 0.95]).tolist()
    _logger.info(
        "pages read",
        endpoint=endpoint,
        request_count=counted.requests,
        retry_count=counted.retries.total(),
        received_bytes=counted.received_bytes,
        latency_p50_seconds=round(p50, 4),
        latency_p95_seconds=round(p95, 4),
        latency_max_seconds=round(max(counted.latencies), 4),
    )


def _describe_requests(endpoint: str, counted: EndpointRequests) -> dict[str, object]:
    latencies = np.frombuffer(counted.latencies)
    p50, p95 = np.quantile(latencies, [0.5, 0.95]).tolist()
    return {
        "endpoint": endpoint,
        "requests": counted.requests,
        "received_bytes": counted.received_bytes,
        "statuses": Jsonb({str(status): count for status, count in counted.statuses.items()}),
        "retries": Jsonb(dict(counted.retries)),
        "latency_p50_seconds": p50,
        "latency_p95_seconds": p95,
        "latency_max_seconds": float(latencies.max()),
    }
