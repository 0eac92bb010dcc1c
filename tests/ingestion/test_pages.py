"""Answers that do not end, are too long or ask for patience, and sources that miscount."""

from __future__ import annotations

import gzip
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from email.utils import formatdate
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import pytest

from ingestion.crawl.completeness import CrawledEndpoint, Landed, crawl_endpoint
from ingestion.crawl.decoding import Page
from ingestion.crawl.pages import HttpCounters, PageReader
from ingestion.crawl.undeclared_fields import MAX_UNDECLARED_COLUMNS
from ingestion.sources.moovitamix import ENDPOINTS
from tests.ingestion.scripted_api import Answer, ScriptedApi, serve, user
from warehouse.errors import IncompleteCrawlError, SourceError
from warehouse.settings import Settings

USERS = ENDPOINTS[0]

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Crawl:
    """Crawls the users of an API, without a warehouse.

    Attributes:
        api: What it serves.
        settings: How patient the crawl is.
        counters: What it cost.
    """

    def __init__(self, api: ScriptedApi, folder: Path) -> None:
        self.api = api
        self.folder = folder
        self.counters = HttpCounters()
        self.settings = Settings(
            home=folder,
            external_api_url=api.url,
            crawl_threads=4,
            request_attempts=3,
            retry_wait_seconds=0.01,
        )

    def __call__(self, *columns: str, **settings: Any) -> CrawledEndpoint:
        """Crawls once, over a table that has these columns."""
        reader = PageReader(self.settings.model_copy(update=settings), self.counters)
        try:
            landed = Landed(None, frozenset(columns))
            return crawl_endpoint(reader, USERS, self.folder, landed, lambda *_: None)
        finally:
            reader.close()

    def read_second_page(self, **settings: Any) -> Page:
        """Reads page 2 alone: what has little time is not to spend it on page 1."""
        reader = PageReader(self.settings.model_copy(update=settings), self.counters)
        try:
            return reader.read(USERS, 2)
        finally:
            reader.close()


@pytest.fixture
def crawl(tmp_path: Path) -> Iterator[Crawl]:
    """A crawl of 250 users."""
    api = ScriptedApi()
    api.records["users"] = [user(number) for number in range(1, 251)]
    with serve(api):
        yield Crawl(api, tmp_path)


def always(answer: Answer) -> Callable[..., Answer | None]:
    """Users page 2 is never had."""
    return lambda _api, _endpoint, page, _call: answer if page == 2 else None


def dripping(begin: bytes, drop: bytes, seconds: float) -> Answer:
    """Begins, and adds a drop now and then until the client hangs up."""
    pause = threading.Event()

    def write(stream: BufferedIOBase) -> None:
        stream.write(begin)
        while not pause.wait(seconds):
            stream.write(drop)

    return Answer(b"", writes=write)


ENDLESS = {
    "header, byte by byte": dripping(OK + b"X-Slow: ", b"x", 0.05),
    "body, byte by byte": dripping(OK + b"Content-Length: 9999\r\n\r\n", b" ", 0.05),
    "body without a length": dripping(OK + b"\r\n", b" ", 0.05),
    "chunks": dripping(CHUNKED, b"1\r\n \r\n", 0.05),
    "trailers": dripping(CHUNKED + b"0\r\n", b"X-More: x\r\n", 0.05),
    "interim answers": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0),
    "compressed": dripping(
        OK + b"Content-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n" + gzip.compress(b"")[:10],
        gzip.compress(b""),
        0.05,
    ),
    "redirect": dripping(
        b"HTTP/1.1 307 Temporary\r\nLocation: /users\r\nContent-Length: 9999\r\n\r\n", b" ", 0.05
    ),
    "error": dripping(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9999\r\n\r\n", b" ", 0.05),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_answer_that_does_not_end_ends_with_the_time_that_it_has(
    crawl: Crawl, kind: str
) -> None:
    crawl.api.fault = always(ENDLESS[kind])

    begin = time.monotonic()
    with pytest.raises(
        SourceError, match=r"did not answer /users page 2 in full within 0.3 s \(time-out\)"
    ):
        crawl.read_second_page(request_timeout_seconds=0.3, request_attempts=1)
    assert time.monotonic() - begin < 20


def test_an_answer_that_comes_bit_by_bit_and_in_time_is_read(crawl: Crawl) -> None:
    body = crawl.api.page("users", 2, 100)

    def write(stream: BufferedIOBase) -> None:
        stream.write(CHUNKED)
        for begin in range(0, len(body), 5_000):
            part = body[begin : begin + 5_000]
            stream.write(b"%x\r\n%b\r\n" % (len(part), part))
        stream.write(b"0\r\n\r\n")

    crawl.api.fault = always(Answer(b"", writes=write))
    assert crawl().landed == 250


def chunks_without_end(stream: BufferedIOBase) -> None:
    """Writes until the client hangs up."""
    stream.write(CHUNKED)
    while True:
        stream.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")


def long_answer(kind: str) -> Answer:
    """An answer of far more than a megabyte."""
    body = b" " * 20_000_000
    if kind == "endless":
        return Answer(b"", writes=chunks_without_end)
    if kind == "plain":
        return Answer(body)
    bomb = gzip.compress(body, 1)
    if kind == "bomb":
        return Answer(bomb, headers={"Content-Encoding": "gzip"})
    return Answer(gzip.compress(bomb, 1), headers={"Content-Encoding": "gzip, gzip"})


@pytest.mark.parametrize("kind", ["plain", "endless", "bomb", "bomb in a bomb"])
def test_an_answer_that_is_too_long_is_refused_before_it_is_read(crawl: Crawl, kind: str) -> None:
    crawl.api.fault = always(long_answer(kind))

    tracemalloc.start()
    try:
        with pytest.raises(
            SourceError, match=r"/users page 2 with more than 1 MB: .*LISTENHOUSE_MAX_ANSWER_MEGA"
        ):
            crawl(max_answer_megabytes=1, crawl_threads=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000
    # nothing is gained by another try
    assert crawl.counters.retries == {}


def test_an_error_with_a_long_body_is_an_error(crawl: Crawl) -> None:
    crawl.api.fault = always(Answer(b" " * 2_000_000, 503))

    with pytest.raises(SourceError, match="/users page 2 with status 503 after 3 tries"):
        crawl(max_answer_megabytes=1)


def test_a_header_without_end_is_refused(crawl: Crawl) -> None:
    crawl.api.fault = always(dripping(OK, b"X-More: x\r\n" * 10, 0))

    with pytest.raises(SourceError, match=r"/users page 2 \(header too long after 3 tries"):
        crawl()


def test_pages_too_long_to_be_kept_ahead_are_read_one_at_a_time(crawl: Crawl) -> None:
    for record in crawl.api.records["users"]:
        record["last_name"] = "n" * 15_000

    assert crawl(max_answer_megabytes=2).landed == 250
    # the second and the third were begun before they were due
    assert max(crawl.api.calls.values()) == 2


def test_a_page_of_more_rows_than_can_be_meant_is_refused(crawl: Crawl) -> None:
    crawl.api.fault = always(Answer(b'{"items":[' + b"0," * 1_000_000 + b'0],"total":250}'))

    with pytest.raises(SourceError, match="/users: the answer has more than 10,000 rows"):
        crawl()


@pytest.mark.parametrize("asked", ["4000", "9" * 400, "at"], ids=["s", "ever", "at"])
def test_a_wait_beyond_the_budget_is_not_begun_and_its_end_is_told(
    crawl: Crawl, asked: str
) -> None:
    when = formatdate(time.time() + 4_000, usegmt=True) if asked == "at" else asked
    crawl.api.fault = always(Answer(b"", 429, {"Retry-After": when}))

    begin = time.monotonic()
    with pytest.raises(
        SourceError, match=r"status 429: it asks to come back in [0-9,]+ s, run again at 2\d\d\d-"
    ):
        crawl(retry_seconds=300)
    assert time.monotonic() - begin < 20
    assert crawl.api.calls["users", 2] == 1


@pytest.mark.parametrize("asked", ["soon", "-1", "9" * 20 + " Jan 2026", "\u00b2"])
def test_a_retry_after_that_says_nothing_is_none(crawl: Crawl, asked: str) -> None:
    crawl.api.fault = always(Answer(b"", 503, {"Retry-After": asked}))

    with pytest.raises(SourceError, match="status 503 after 3 tries: run again when the API is"):
        crawl()


@pytest.mark.parametrize(("timeout", "tries"), [(0.3, 2), (60, 1)])
def test_the_budget_bounds_tries_and_waits_together(
    crawl: Crawl, timeout: float, tries: int
) -> None:
    crawl.api.fault = always(ENDLESS["body, byte by byte"])

    begin = time.monotonic()
    with pytest.raises(SourceError, match="page 2"):
        crawl.read_second_page(
            retry_seconds=0.5, request_timeout_seconds=timeout, request_attempts=50
        )
    assert time.monotonic() - begin < 20
    # the last try had what was left, and a wait after it would have been too long
    assert 1 <= crawl.api.calls["users", 2] <= tries


def test_a_wait_that_ends_after_the_budget_is_not_begun(crawl: Crawl) -> None:
    crawl.api.fault = always(Answer(b"", 500))

    begin = time.monotonic()
    with pytest.raises(SourceError, match="status 500"):
        crawl(retry_seconds=5, retry_wait_seconds=30)
    assert time.monotonic() - begin < 20


def test_a_total_without_end_ends_with_the_first_empty_page(crawl: Crawl) -> None:
    crawl.api.totals["users"] = 10**18

    with pytest.raises(IncompleteCrawlError, match=f"reports {10**18} rows, its pages hold 250"):
        crawl()
    # four passes, and a few pages ahead
    assert sum(crawl.api.calls.values()) < 100


@pytest.mark.parametrize(
    ("pages", "match"),
    [
        ([1], "page 2 is page 1 again"),
        ([1, 2], "page 3 is page 1 again"),
        ([1, 2, 2], "page 3 is page 2 again"),
    ],
    ids=["one", "in a circle", "the last"],
)
@pytest.mark.parametrize("total", [200, 10**18])
def test_pages_that_come_again_end_the_reading_and_prove_nothing(
    crawl: Crawl, pages: list[int], match: str, total: int
) -> None:
    crawl.api.totals["users"] = total
    crawl.api.fault = lambda api, endpoint, page, _call: Answer(
        api.page(endpoint, pages[(page - 1) % len(pages)], 100)
    )

    with pytest.raises(IncompleteCrawlError, match=match):
        crawl()
    assert sum(crawl.api.calls.values()) < 100


@pytest.mark.parametrize("most_rows", [50, 7])
@pytest.mark.parametrize("states_size", [True, False])
def test_a_smaller_page_than_was_asked_for_is_crawled_by(
    crawl: Crawl, most_rows: int, *, states_size: bool
) -> None:
    crawl.api.most_rows, crawl.api.states_size = most_rows, states_size

    crawled = crawl()

    assert (crawled.reported, crawled.landed, crawled.duplicates) == (250, 250, 0)
    # in one pass: every page once, and the empty one after them
    assert set(crawl.api.calls.values()) == {1}
    assert max(page for _, page in crawl.api.calls) == -(-250 // most_rows) + 1


def test_an_api_that_skips_by_the_size_it_was_asked_for_is_asked_for_less(crawl: Crawl) -> None:
    crawl.api.most_rows, crawl.api.skips_by_asked_size = 50, True

    assert crawl().landed == 250


def test_a_size_that_is_stated_and_not_kept_to_does_no_harm(crawl: Crawl) -> None:
    # what the API says is 50, what it serves 100
    crawl.api.fault = lambda api, endpoint, page, _call: Answer(
        api.page(endpoint, page, 100).replace(b'"size":100', b'"size":50')
    )

    assert crawl().landed == 250


def test_new_fields_beyond_the_bound_cost_the_records_that_bring_them(crawl: Crawl) -> None:
    users = crawl.api.records["users"]
    # first one with far too many, then one each, and known ones all along
    users[0] |= {f"sudden_{number}": 1 for number in range(1_700)}
    for number, record in enumerate(users[1:], 2):
        record |= {f"new_{number}": number, "known": True}
    crawled = crawl("id", "email", "known", "row_hash", *(f"old_{number}" for number in range(9)))

    room = MAX_UNDECLARED_COLUMNS - 10
    assert (crawled.landed, len(crawled.rejected)) == (room, 250 - room)
    assert len(crawled.spool.undeclared_names) == room + 1
    assert {record.reason for record in crawled.rejected} == {
        "More fields that are not declared than the 200 that an endpoint may have"
    }
    rejected = crawled.rejected[-1]
    assert (rejected.key, rejected.person_id) == ((250,), 250)
    assert '"new_250": 250' in rejected.record


def test_fields_that_are_spelled_alike_count_one_by_one(crawl: Crawl) -> None:
    for number, record in enumerate(crawl.api.records["users"]):
        record["x" + "!" * number] = number

    assert crawl().landed == MAX_UNDECLARED_COLUMNS
    # the one that is there needs no room
    assert crawl("x").landed == MAX_UNDECLARED_COLUMNS
