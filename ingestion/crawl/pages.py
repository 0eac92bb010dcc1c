"""Fetches single pages, and tries again where another try can help.

In: an endpoint and a page number. Out: the decoded page. Transient trouble (429, 5xx, cut
connections, time-outs, bodies that are no JSON) is retried with exponential backoff and
jitter, honouring `Retry-After`, as long as the next try begins in time; everything else fails at
once.
"""

from __future__ import annotations

import re
import threading
import time
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from dlt.sources.helpers.requests import Session
from requests.exceptions import (
    ChunkedEncodingError,
    ConnectionError,  # noqa: A004 (its name in requests)
    ConnectTimeout,
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
    stop_before_delay,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)
from urllib3.exceptions import LocationParseError

from ingestion.crawl.answers import AnswerTooLongError, BoundedAdapter, answers_bounded
from ingestion.crawl.decoding import ContractError, MalformedPageError, Page, decode_page
from ingestion.endpoint import Endpoint
from ingestion.landing.tombstones import Tombstones
from warehouse.errors import SourceError
from warehouse.run_log import get_logger
from warehouse.settings import Settings

PAGE_SIZE = 100
"""Rows per page: the most that the API allows."""

MAX_PAGE_ROWS = 10_000
"""Rows of a page that is longer than was asked for."""

_PAGES_AHEAD_PER_THREAD = 4

_MAX_WAIT_SECONDS = 60
"""Between two tries, unless the API asks for a longer wait."""

_MAX_RETRY_AFTER_SECONDS = 10**9

_TIME_OUT = "time-out"

_logger = get_logger(__name__)


class PageTooLongError(SourceError):
    """A page is longer than it may be."""


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
        pages_ahead: Pages that may be read before they are needed. Together they are no longer
            than one answer may be.
    """

    def __init__(
        self, settings: Settings, counters: HttpCounters, tombstones: Tombstones | None = None
    ) -> None:
        self._tombstones = tombstones
        self._counters = counters
        self.threads = settings.crawl_threads
        self.pages_ahead = min(
            settings.crawl_threads * _PAGES_AHEAD_PER_THREAD, settings.max_answer_megabytes
        )
        self._max_bytes = settings.max_answer_megabytes * 1_000_000
        self._settings = settings
        self._abandoned = threading.Event()
        self._session = Session(timeout=None)
        adapter = BoundedAdapter(pool_connections=1, pool_maxsize=settings.crawl_threads)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        # requests would look up proxies and certificates anew for every page, at a cost that
        # shows in a profile; looked up once they serve the whole crawl
        if not settings.uses_simulator:
            self._session.proxies = get_environ_proxies(settings.api_url)
        if settings.api_url.startswith("https:"):
            self._session.verify = self._session.merge_environment_settings(
                settings.api_url, {}, None, None, None
            )["verify"]
        self._session.trust_env = False
        self._backoff = wait_exponential(
            multiplier=settings.retry_wait_seconds, max=_MAX_WAIT_SECONDS
        )
        self._jitter = wait_random(0, settings.retry_wait_seconds)
        self._retrying = Retrying(
            retry=retry_if_exception(_is_transient),
            wait=self._wait,
            stop=stop_after_attempt(settings.request_attempts)
            | stop_before_delay(settings.retry_seconds)
            | stop_when_event_set(self._abandoned),
            sleep=sleep_using_event(self._abandoned),
            before_sleep=self._count_retry,
            reraise=True,
        )

    def read(
        self,
        endpoint: Endpoint,
        number: int,
        size: int = PAGE_SIZE,
        max_bytes: int | None = None,
    ) -> Page:
        """Fetches and decodes one page.

        Args:
            endpoint: Which endpoint.
            number: Page number, from 1.
            size: Rows to ask for.
            max_bytes: How long the page may be; None for as long as the settings allow.

        Raises:
            PageTooLongError: The page is longer.
            SourceError: The page cannot be had; names endpoint, page, cause and remedy.
        """
        deadline = time.monotonic() + self._settings.retry_seconds
        max_bytes = max_bytes or self._max_bytes
        try:
            # of this thread: what requests and urllib3 log meanwhile has it as well
            with bound_contextvars(endpoint=endpoint.name, page=number):
                return self._retrying(self._read_once, endpoint, number, size, max_bytes, deadline)
        except AnswerTooLongError as error:
            raise PageTooLongError(
                f"The API at {self._settings.api_location} answered /{endpoint.name} page {number} "
                f"with more than {max_bytes // 1_000_000} MB: if its pages are that long, allow "
                "more with LISTENHOUSE_MAX_ANSWER_MEGABYTES."
            ) from error
        except (RequestException, LocationParseError, MalformedPageError, ContractError) as error:
            raise SourceError(self._explain(endpoint, number, error)) from error

    def read_first(self, endpoint: Endpoint) -> tuple[Page, int]:
        """Fetches the first page, and finds the size to ask for: an API may allow a smaller one.

        Args:
            endpoint: Which endpoint.

        Returns:
            The page, and the rows to ask for of this and the others.

        Raises:
            SourceError: The page cannot be had.
        """
        first = self.read(endpoint, 1)
        size = min(first.size or PAGE_SIZE, PAGE_SIZE)
        if first.row_count > size:
            first = self.read(endpoint, 1, size)
        return first, size

    def read_ahead(self, endpoint: Endpoint, number: int, size: int) -> Page | None:
        """Fetches one page before it is needed; None where it is too long to be kept meanwhile.

        Args:
            endpoint: Which endpoint.
            number: Page number, from 1.
            size: Rows to ask for.

        Raises:
            SourceError: The page cannot be had.
        """
        try:
            return self.read(endpoint, number, size, self._max_bytes // self.pages_ahead)
        except PageTooLongError:
            return None

    def close(self) -> None:
        """Closes the connections, and ends all waiting for another try."""
        self._abandoned.set()
        self._session.close()

    def _read_once(
        self, endpoint: Endpoint, number: int, size: int, max_bytes: int, deadline: float
    ) -> Page:
        begin = time.perf_counter()
        status, received_bytes = None, 0
        seconds = min(self._settings.request_timeout_seconds, deadline - time.monotonic())
        try:
            with answers_bounded(seconds, max_bytes):
                response = self._session.get(
                    f"{self._settings.api_url}/{endpoint.name}",
                    params={"page": number, "size": size},
                )
            status, received_bytes = response.status_code, len(response.content)
        except HTTPError as error:
            if error.response is not None:
                status, received_bytes = error.response.status_code, len(error.response.content)
            raise
        except AnswerTooLongError as error:
            if error.response is not None:
                status, received_bytes = error.response.status_code, max_bytes
            raise
        finally:
            seconds = time.perf_counter() - begin
            self._counters.count_answer(endpoint.name, seconds, status, received_bytes)
        page = decode_page(endpoint, response.content, MAX_PAGE_ROWS)
        return self._tombstones.drop(endpoint, page) if self._tombstones else page

    def _wait(self, state: RetryCallState) -> float:
        """Seconds until the next try: those that the API asks for, or more after each failure."""
        error = state.outcome.exception() if state.outcome else None
        asked = _retry_after(error) if error else None
        return (self._backoff(state) if asked is None else asked) + self._jitter(state)

    def _count_retry(self, state: RetryCallState) -> None:
        endpoint = state.args[0]
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
                f"The API at {url} answered {where} with something that is not JSON{tries}: "
                "check that LISTENHOUSE_API_URL is the API's base URL, then run again."
            )
        if isinstance(error, HTTPError) and error.response is not None:
            status = error.response.status_code
            asked = _retry_after(error)
            if asked is not None:
                moment = datetime.now(UTC) + timedelta(seconds=asked)
                remedy = f"it asks to come back in {asked:,.0f} s, run again at {moment:%F %T} UTC"
            elif _is_transient(error):
                remedy = "run again when the API is well"
            elif status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                remedy = (
                    "it does not accept the credentials in LISTENHOUSE_API_URL, write them as "
                    "https://USER:PASSWORD@HOST"
                    if "@" in urlsplit(self._settings.api_url).netloc
                    else "it asks for credentials, and LISTENHOUSE_API_URL has none: write them as "
                    "https://USER:PASSWORD@HOST"
                )
            else:
                remedy = "check that LISTENHOUSE_API_URL is the API's base URL"
            return f"The API at {url} answered {where} with status {status}{tries}: {remedy}."
        if _cause(error) == _TIME_OUT and not isinstance(error, ConnectTimeout):
            seconds = min(self._settings.request_timeout_seconds, self._settings.retry_seconds)
            return (
                f"The API at {url} did not answer {where} in full within {seconds:g} s "
                f"({_TIME_OUT}{tries}): run again when the API is well, or allow more with "
                "LISTENHOUSE_REQUEST_TIMEOUT_SECONDS."
            )
        return (
            f"The API at {url} cannot be reached for {where} ({_cause(error)}{tries}): check "
            "LISTENHOUSE_API_URL and that the API runs (`listenhouse up` starts the simulator)."
        )


def _retry_after(error: BaseException) -> float | None:
    """Seconds that an answer asks to wait, None where it does not."""
    if not (isinstance(error, HTTPError) and error.response is not None):
        return None
    asked = error.response.headers.get("Retry-After", "").strip()
    try:
        if re.fullmatch("[0-9]+", asked):
            seconds = float(asked)
        else:
            seconds = parsedate_to_datetime(asked).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(seconds, _MAX_RETRY_AFTER_SECONDS) if seconds > 0 else None


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
        return _TIME_OUT
    if isinstance(error, ChunkedEncodingError | ContentDecodingError):
        return "cut body"
    text = str(error)
    for sign, name in (
        ("refused", "connection refused"),
        ("resolve", "unknown host"),
        ("certificate", "certificate not trusted"),
        ("Read timed out", _TIME_OUT),
        ("IncompleteRead", "cut body"),
        # lines or headers, in Python's own words
        ("got more than", "header too long"),
    ):
        if sign in text:
            return name
    return "connection lost" if isinstance(error, ConnectionError) else type(error).__name__
