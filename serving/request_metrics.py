"""How the API does, for Prometheus: requests and their latencies, by route and status.

In: each request that was answered. Out: text in Prometheus' format. Routes are templates, so no id
is a label. Several processes share a folder of counts, which prometheus_client finds by its own
variable.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_PREFIX = "listenhouse_serving_"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class RequestMetrics:
    """What was asked and answered, by this process or by all of its kind."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            f"{_PREFIX}requests_total",
            "Requests, by route and status.",
            ["route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            f"{_PREFIX}request_duration_seconds",
            "From the request to the end of its answer.",
            ["route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def count(self, route: str, status: int, seconds: float) -> None:
        """Counts a request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def expose(self) -> bytes:
        """The metrics in Prometheus' text format."""
        shared = CollectorRegistry()
        try:
            MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        except ValueError:  # one process only: there is no folder
            return generate_latest(self._registry)
        return generate_latest(shared)
