"""Crawls an endpoint and proves that nothing is missing.

In: a page reader. Out: the rows of one endpoint in a spool, with the figures that prove them
complete. Pages can shift while they are read, so a crawl whose figures do not add up is
repeated; one that never adds up fails, and nothing of it is landed. Totals do not betray a row
that went while another came, so keys that are missing since the last crawl are confirmed by
another crawl too, before they are taken for deleted.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingestion.crawl.decoding import Page, RejectedRecord
from ingestion.crawl.pages import PageReader
from ingestion.crawl.spool import KeyColumns, Spool, key_columns, key_integers, packed_keys
from ingestion.crawl.undeclared_fields import UndeclaredFields
from ingestion.endpoint import ROW_HASH, UNDECLARED, Endpoint
from warehouse.errors import IncompleteCrawlError
from warehouse.run_log import get_logger

MAX_CRAWLS = 4
"""A first crawl of an endpoint, and three more when its figures do not add up."""

_MAX_REASONS_LOGGED = 20

_ROW_NUMBER = "spool row number"  # no field of an API has a name like this

_logger = get_logger(__name__)

ProgressCallback = Callable[[str, int, int], None]
"""Called with endpoint name, pages read, pages in all."""


@dataclass(frozen=True)
class Landed:
    """What landing holds of an endpoint before a crawl.

    Attributes:
        keys: Keys of the versions that are valid, None before the first load.
        columns: Columns of its table, none before the first load.
    """

    keys: KeyColumns | None
    columns: Set[str]


@dataclass(frozen=True)
class CrawledEndpoint:
    """The proven rows of one endpoint.

    Attributes:
        endpoint: Which endpoint.
        reported: Rows that the API says it has.
        duplicates: Rows dropped because an identical one is kept.
        rejected: Records that do not fit, or lost against a newer one of the same key.
        dropped_rows: Row numbers in the spool that are not to be landed, ascending.
        unconfirmed: Packed keys that landing holds, that the last pass over the pages missed
            and an earlier one saw: they may have moved, and count as present.
        forgotten: Rows of people who were forgotten: neither in the spool nor rejected.
        spool: Where the rows are.
    """

    endpoint: Endpoint
    reported: int
    duplicates: int
    rejected: list[RejectedRecord]
    dropped_rows: npt.NDArray[np.int64]
    unconfirmed: npt.NDArray[np.int64]
    forgotten: int
    spool: Spool

    @property
    def landed(self) -> int:
        """Rows to land: each key once."""
        return self.spool.row_count - len(self.dropped_rows)

    def rejected_keys(self) -> KeyColumns:
        """The keys of the rejected records, where they are readable."""
        return _rejected_keys(self.endpoint, self.rejected)

    def read_keys(self) -> KeyColumns:
        """The keys of the rows to land."""
        return tuple(np.delete(column, self.dropped_rows) for column in self.spool.read_keys())

    def rows(self) -> Iterator[pa.RecordBatch]:
        """Streams the rows to land."""
        first = 0
        for batch in self.spool.read():
            inside = (self.dropped_rows >= first) & (self.dropped_rows < first + batch.num_rows)
            dropped = self.dropped_rows[inside] - first
            first += batch.num_rows
            if len(dropped):
                keep = np.ones(batch.num_rows, dtype=bool)
                keep[dropped] = False
                batch = batch.filter(pa.array(keep))  # noqa: PLW2901 (a filtered view of it)
            yield batch


@dataclass
class _Reading:
    """What one pass over the pages gave."""

    spool: Spool
    totals: list[int] = field(default_factory=list)
    repeated_page: str | None = None
    rejected: list[RejectedRecord] = field(default_factory=list)
    forgotten: int = 0
    repeated_rows: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    repeated_keys: frozenset[tuple[int, ...]] = frozenset()
    missing: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def row_count(self) -> int:
        return self.spool.row_count + len(self.rejected) + self.forgotten

    def doubt(self) -> str | None:
        """Says why rows may have moved while this pass read them, or None."""
        if self.repeated_page:
            return self.repeated_page
        if not self.is_at_rest:
            return f"the total went from {min(self.totals)} to {max(self.totals)} between its pages"
        if self.row_count != self.totals[0]:
            return f"the API reports {self.totals[0]} rows, its pages hold {self.row_count}"
        if self.repeated_keys:
            return f"{len(self.repeated_keys)} keys came more than once"
        return None

    @property
    def is_at_rest(self) -> bool:
        """Whether every page reports the same total."""
        return len(set(self.totals)) == 1

    def repeats_like(self, other: _Reading | None) -> bool:
        """Whether keys repeat in the data itself: alike in two passes, totals at rest."""
        return (
            other is not None
            and not self.repeated_page
            and self.is_at_rest
            and other.is_at_rest
            and self.row_count == other.row_count == self.totals[0] == other.totals[0]
            and self.repeated_keys == other.repeated_keys
        )


def crawl_endpoint(
    reader: PageReader,
    endpoint: Endpoint,
    folder: Path,
    landed: Landed,
    on_page: ProgressCallback,
) -> CrawledEndpoint:
    """Reads all rows of an endpoint, again where they may have moved meanwhile.

    Args:
        reader: Fetches pages.
        endpoint: What to crawl.
        folder: Where the spool goes.
        landed: What landing holds of it.
        on_page: Told of each page read.

    Returns:
        Rows whose count is proven against what the API reports.

    Raises:
        IncompleteCrawlError: The figures do not add up, however often it is read.
        SourceError: A page cannot be had.
    """
    previous: _Reading | None = None
    doubts = []
    for attempt in range(1, MAX_CRAWLS + 1):
        spool = Spool(endpoint, folder / f"{endpoint.name}-{attempt}.arrow")
        fields = UndeclaredFields(endpoint, landed.columns)
        reading = _read_all(reader, endpoint, spool, fields, on_page)
        if landed.keys is not None:
            reading.missing = _find_missing(endpoint, reading, landed.keys)
        doubt, level = reading.doubt(), logging.WARNING
        is_proven = doubt is None or reading.repeats_like(previous)
        if is_proven and (previous is not None or not len(reading.missing)):
            crawled = _settle(endpoint, reading, previous)
            _log_proof(crawled, len(reading.totals), attempt)
            return crawled
        if doubt is None:
            # no trouble: rows are deleted on most days
            doubt = f"{len(reading.missing)} keys of the last crawl are missing"
            level = logging.INFO
        _logger.log(level, "recrawl", endpoint=endpoint.name, attempt=attempt, cause=doubt)
        doubts.append(doubt)
        previous = reading
    raise IncompleteCrawlError(
        f"/{endpoint.name} cannot be read completely, read {MAX_CRAWLS} times: "
        f"{'; then '.join(dict.fromkeys(doubts))}. Nothing of this crawl is landed; run again when "
        "the source is at rest."
    )


def _log_proof(crawled: CrawledEndpoint, page_count: int, attempt: int) -> None:
    endpoint = crawled.endpoint.name
    _logger.info(
        "proven complete",
        endpoint=endpoint,
        attempt=attempt,
        page_count=page_count,
        reported_count=crawled.reported,
        landed_count=crawled.landed,
        duplicates_count=crawled.duplicates,
        rejected_count=len(crawled.rejected),
        unconfirmed_count=len(crawled.unconfirmed),
        forgotten_count=crawled.forgotten,
    )
    reasons = Counter(record.reason for record in crawled.rejected)
    for reason, count in reasons.most_common(_MAX_REASONS_LOGGED):
        _logger.info("records rejected", endpoint=endpoint, reason=reason, rejected_count=count)


def _read_all(
    reader: PageReader,
    endpoint: Endpoint,
    spool: Spool,
    fields: UndeclaredFields,
    on_page: ProgressCallback,
) -> _Reading:
    """Reads page after page, as far as the total asks for and there is anything new."""
    reading = _Reading(spool)
    seen: dict[int, int] = {}
    with spool:
        first, size = reader.read_first(endpoint)
        # one more than the total asks for: rows there mean that the total is too small
        page_count = -(-first.total // (first.row_count or size)) + 1
        with closing(_pages(reader, endpoint, first, size, page_count)) as pages:
            for number, page in enumerate(pages, 1):
                if page.row_count and page.fingerprint in seen:
                    earlier = seen[page.fingerprint]
                    reading.repeated_page = f"page {number} is page {earlier} again"
                    break
                seen[page.fingerprint] = number
                admitted = fields.admit(page)
                reading.totals.append(page.total)
                reading.rejected.extend(admitted.rejected)
                reading.forgotten += page.forgotten
                spool.append(admitted)
                on_page(endpoint.name, number, page_count)
                # whatever the total says: after an empty page nothing comes
                if not page.row_count:
                    break
    reading.repeated_rows, reading.repeated_keys = _find_repeated(spool.read_keys())
    return reading


def _pages(
    reader: PageReader, endpoint: Endpoint, first: Page, size: int, page_count: int
) -> Generator[Page]:
    """Yields pages in order; a bounded number is fetched ahead, so that memory is bounded."""
    yield first
    asked, most_ahead = 1, reader.pages_ahead
    ahead: deque[Future[Page | None]] = deque()
    pool = ThreadPoolExecutor(reader.threads, thread_name_prefix=f"crawl-{endpoint.name}")
    try:
        for number in range(2, page_count + 1):
            while len(ahead) < most_ahead and asked < page_count:
                asked += 1
                ahead.append(pool.submit(reader.read_ahead, endpoint, asked, size))
            page = ahead.popleft().result() if ahead else None
            if page is None:
                # pages this long are read one at a time
                most_ahead = 0
                asked = max(asked, number)
                page = reader.read(endpoint, number, size)
            yield page
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _find_repeated(
    keys: KeyColumns,
) -> tuple[npt.NDArray[np.int64], frozenset[tuple[int, ...]]]:
    """Finds the rows whose key another row has too.

    Args:
        keys: Key columns of all rows.

    Returns:
        Their row numbers, ordered by key and then by row; and the keys themselves.
    """
    order = np.lexsort(keys[::-1])
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in keys:
        ordered = column[order]
        same &= ordered[1:] == ordered[:-1]
    repeated = np.zeros(len(order), dtype=bool)
    repeated[1:] |= same
    repeated[:-1] |= same
    rows = order[repeated].astype(np.int64)
    return rows, frozenset(zip(*(column[rows].tolist() for column in keys), strict=True))


def _find_missing(
    endpoint: Endpoint, reading: _Reading, landed: KeyColumns
) -> npt.NDArray[np.int64]:
    """Finds the landed keys, packed, that a pass did not see, neither good nor rejected."""
    good = reading.spool.read_keys()
    bad = _rejected_keys(endpoint, reading.rejected)
    seen = tuple(np.concatenate(columns) for columns in zip(good, bad, strict=True))
    landed_keys = packed_keys(landed)
    return landed_keys[~np.isin(landed_keys, packed_keys(seen))]


def _rejected_keys(endpoint: Endpoint, rejected: Sequence[RejectedRecord]) -> KeyColumns:
    keys = [key_integers(record.key) for record in rejected if record.key is not None]
    columns = range(len(endpoint.key))
    return tuple(np.array([key[column] for key in keys], dtype=np.int64) for column in columns)


def _settle(endpoint: Endpoint, reading: _Reading, previous: _Reading | None) -> CrawledEndpoint:
    """Decides among rows of one key: identical ones count once, else the newest stays."""
    rejected = list(reading.rejected)
    dropped: list[int] = []
    duplicates = 0
    if reading.repeated_keys:
        for candidates in _repeated_by_key(endpoint, reading).values():
            candidates.sort(key=_newest_first, reverse=True)
            kept = {candidates[0][ROW_HASH]}
            for row in candidates[1:]:
                dropped.append(row[_ROW_NUMBER])
                if row[ROW_HASH] in kept:
                    duplicates += 1
                else:
                    kept.add(row[ROW_HASH])
                    rejected.append(_outdated(endpoint, row))
    return CrawledEndpoint(
        endpoint=endpoint,
        reported=reading.totals[0],
        duplicates=duplicates,
        rejected=rejected,
        dropped_rows=np.array(sorted(dropped), dtype=np.int64),
        unconfirmed=np.setdiff1d(
            reading.missing, reading.missing if previous is None else previous.missing
        ),
        forgotten=reading.forgotten,
        spool=reading.spool,
    )


def _repeated_by_key(
    endpoint: Endpoint, reading: _Reading
) -> dict[tuple[int, ...], list[dict[str, Any]]]:
    """Reads back the rows whose key repeats, with their row numbers, grouped by key."""
    groups: dict[tuple[int, ...], list[dict[str, Any]]] = {}
    wanted = np.sort(reading.repeated_rows)
    first = 0
    for batch in reading.spool.read():
        inside = wanted[(wanted >= first) & (wanted < first + batch.num_rows)]
        rows = batch.take(pa.array(inside - first))
        keys = zip(*(column.tolist() for column in key_columns(endpoint, rows)), strict=True)
        for key, number, row in zip(keys, inside.tolist(), rows.to_pylist(), strict=True):
            groups.setdefault(key, []).append({**row, _ROW_NUMBER: number})
        first += batch.num_rows
    return groups


def _newest_first(row: dict[str, Any]) -> tuple[datetime, int]:
    # of equally new rows the one that was served last
    return row.get("updated_at") or datetime.min, row[_ROW_NUMBER]


def _outdated(endpoint: Endpoint, row: dict[str, Any]) -> RejectedRecord:
    content = {
        name: msgspec.Raw(row[name].encode()) if name in endpoint.json_fields else row[name]
        for name in endpoint.arrow_types
        if row[name] is not None
    }
    return RejectedRecord(
        record=msgspec.json.encode(content | json.loads(row[UNDECLARED] or "{}")).decode(),
        reason="Another record of the same crawl has the same key and is newer, or came later",
        key=tuple(row[name] for name in endpoint.key),
    )
