"""Fetches single pages, and tries again where another try can help.

In: an endpoint and a page number. Out: the decoded page. Transient trouble (429, 5xx, cut
connections, time-outs, bodies that are no JSON) is retried with exponential backoff and
jitter, honouring `Retry-After`; everything else fails at once.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from dlt.sources.helpers.requests import Session
from dlt.sources.helpers.requests.retry import wait_exponential_retry_after
from requests.adapters import HTTPAdapter
from requests.exceptions import (
    ChunkedEncodingError,
    ConnectionError,  # noqa: A004 (its name in requests)
    ContentDecodingError,
    HTTPError,
    RequestException,
    Timeout,
)
from requests.utils import get_environ_proxies
from structlog.contextvars import bound_contextvars
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_attempt,
    stop_after_delay,
    stop_when_event_set,
    wait_random,
)
from urllib3.exceptions import LocationParseError

from ingestion.decoding import ContractError, MalformedPageError, Page, decode_page
from ingestion.endpoint import Endpoint
from ingestion.tombstones import Tombstones
from warehouse.errors import SourceError
from warehouse.run_log import get_logger
from warehouse.settings import Settings

PAGE_SIZE = 100
"""Rows per page: the most that the API allows."""

_LONGEST_WAIT_SECONDS = 60

_logger = get_logger(__name__)


@dataclass
class EndpointRequests:
    """What an endpoint was asked, and what it answered.

    Attributes:
        requests: Answers asked for, tries included.
        received_bytes: Sum of the bodies, bad ones included.
        statuses: Number of answers by status; what got none is not in it.
        retries: Number of retries by cause.
        latencies: Seconds from each request to the end of its body, or to its failure.
    """

    requests: int = 0
    received_bytes: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    latencies: array[float] = field(default_factory=lambda: array("d"))


class HttpCounters:
    """What a crawl cost in requests; filled while it runs, also if it fails.

    Attributes:
        endpoints: By the name of the endpoint.
    """

    def __init__(self) -> None:
        self.endpoints: defaultdict[str, EndpointRequests] = defaultdict(EndpointRequests)
        self._lock = threading.Lock()

    def count_answer(
        self, endpoint: str, seconds: float, status: int | None, received_bytes: int
    ) -> None:
        """Counts a request and its answer, if there was one.

        Args:
            endpoint: Which endpoint.
            seconds: From the request to the end of the body, or to the failure.
            status: HTTP status, None without an answer.
            received_bytes: Length of the body.
        """
        with self._lock:
            counted = self.endpoints[endpoint]
            counted.requests += 1
            counted.received_bytes += received_bytes
            counted.latencies.append(seconds)
            if status is not None:
                counted.statuses[status] += 1

    def count_retry(self, endpoint: str, cause: str) -> None:
        """Counts a retry by its cause."""
        with self._lock:
            self.endpoints[endpoint].retries[cause] += 1

    @property
    def retries(self) -> Counter[str]:
        """Number of retries by cause, of all endpoints."""
        return sum((counted.retries for counted in self.endpoints.values()), Counter())


class PageReader:
    """Reads pages of one API over one pool of connections; safe to share between threads.

    Attributes:
        threads: Pages it may be asked for at the same time.
    """

    def __init__(
        self, settings: Settings, counters: HttpCounters, tombstones: Tombstones | None = None
    ) -> None:
        self._tombstones = tombstones
        self._counters = counters
        self.threads = settings.crawl_threads
        self._settings = settings
        self._abandoned = threading.Event()
        self._session = Session(timeout=settings.request_timeout_seconds)
        pool = HTTPAdapter(pool_connections=1, pool_maxsize=settings.crawl_threads)
        self._session.mount("http://", pool)
        self._session.mount("https://", pool)
        # requests would look up proxies and certificates anew for every page, at a cost that
        # shows in a profile; looked up once they serve the whole crawl
        if not settings.uses_simulator:
            self._session.proxies = get_environ_proxies(settings.api_url)
        if settings.api_url.startswith("https:"):
            self._session.verify = self._session.merge_environment_settings(
                settings.api_url, {}, None, None, None
            )["verify"]
        self._session.trust_env = False
        self._retrying = Retrying(
            retry=retry_if_exception(_is_transient),
            wait=wait_exponential_retry_after(
                multiplier=settings.retry_wait_seconds, max=_LONGEST_WAIT_SECONDS
            )
            + wait_random(0, settings.retry_wait_seconds),
            stop=stop_after_attempt(settings.request_attempts)
            | stop_after_delay(settings.retry_seconds)
            | stop_when_event_set(self._abandoned),
            sleep=sleep_using_event(self._abandoned),
            before_sleep=self._count_retry,
            reraise=True,
        )

    def read(self, endpoint: Endpoint, number: int) -> Page:
        """Fetches and decodes one page.

        Args:
            endpoint: Which endpoint.
            number: Page number, from 1.

        Raises:
            SourceError: The page cannot be had; names endpoint, page, cause and remedy.
        """
        try:
            # of this thread: what requests and urllib3 log meanwhile has it as well
            with bound_contextvars(endpoint=endpoint.name, page=number):
                return self._retrying(self._read_once, endpoint, number)
        except (RequestException, LocationParseError, MalformedPageError, ContractError) as error:
            raise SourceError(self._explain(endpoint, number, error)) from error

    def abandon(self) -> None:
        """Ends all waiting for another try: the crawl has failed already."""
        self._abandoned.set()

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()

    def _read_once(self, endpoint: Endpoint, number: int) -> Page:
        begin = time.perf_counter()
        status, received_bytes = None, 0
        try:
            response = self._session.get(
                f"{self._settings.api_url}/{endpoint.name}",
                params={"page": number, "size": PAGE_SIZE},
            )
            status, received_bytes = response.status_code, len(response.content)
        except HTTPError as error:
            if error.response is not None:
                status, received_bytes = error.response.status_code, len(error.response.content)
            raise
        finally:
            seconds = time.perf_counter() - begin
            self._counters.count_answer(endpoint.name, seconds, status, received_bytes)
        page = decode_page(endpoint, response.content)
        return self._tombstones.drop(endpoint, page) if self._tombstones else page

    def _count_retry(self, state: RetryCallState) -> None:
        endpoint, _ = state.args
        error = state.outcome.exception() if state.outcome else None
        cause = _cause(error) if error else "unknown"
        self._counters.count_retry(endpoint.name, cause)
        _logger.warning(
            "retry",
            cause=cause,
            attempt=state.attempt_number,
            most_attempts=self._settings.request_attempts,
            wait_seconds=round(state.upcoming_sleep, 1),
        )

    def _explain(self, endpoint: Endpoint, number: int, error: Exception) -> str:
        url = self._settings.api_location
        attempts = self._retrying.statistics.get("attempt_number", 1)
        tries = f" after {attempts} tries" if attempts > 1 else ""
        where = f"/{endpoint.name} page {number}"
        if isinstance(error, ContractError):
            return (
                f"{error} (page {number} of {url}): set LISTENHOUSE_API_URL to the API's base URL."
            )
        if isinstance(error, MalformedPageError):
            return (
                f"The API at {url} answered {where} with something that is no JSON{tries}: "
                "check that LISTENHOUSE_API_URL is the API's base URL, then run again."
            )
        if isinstance(error, HTTPError) and error.response is not None:
            status = error.response.status_code
            remedy = (
                "run again when the API is well"
                if _is_transient(error)
                else "check that LISTENHOUSE_API_URL is the API's base URL"
            )
            return f"The API at {url} answered {where} with status {status}{tries}: {remedy}."
        return (
            f"The API at {url} cannot be reached for {where} ({_cause(error)}{tries}): check "
            "LISTENHOUSE_API_URL and that the API runs (`listenhouse up` starts the simulator)."
        )


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, HTTPError) and error.response is not None:
        status = error.response.status_code
        return status == 429 or status >= 500  # noqa: PLR2004 (HTTP's own numbers)
    return isinstance(
        error,
        ConnectionError
        | Timeout
        | ChunkedEncodingError
        | ContentDecodingError
        | MalformedPageError,
    )


def _cause(error: BaseException) -> str:
    """Names a failure in the few words that metrics and messages use."""
    if isinstance(error, HTTPError) and error.response is not None:
        return f"status {error.response.status_code}"
    if isinstance(error, MalformedPageError):
        return "no JSON"
    if isinstance(error, Timeout):
        return "time-out"
    if isinstance(error, ChunkedEncodingError | ContentDecodingError):
        return "cut body"
    text = str(error)
    for sign, name in (
        ("refused", "connection refused"),
        ("resolve", "unknown host"),
        ("certificate", "certificate not trusted"),
        ("Read timed out", "time-out"),
        ("IncompleteRead", "cut body"),
    ):
        if sign in text:
            return name
    return "connection lost" if isinstance(error, ConnectionError) else type(error).__name__
