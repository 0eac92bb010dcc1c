"""Does each endpoint answer, keep its contract, and hold what it says?

In: settings, and how many records landing holds. Out: a finding per endpoint, from its first
and its last page; the proof over all pages is the crawl's.
"""

from __future__ import annotations

from collections.abc import Mapping

from ingestion.crawl.pages import HttpCounters, PageReader
from ingestion.crawl.shrink_guard import SMALLEST_SHARE_OF_ROWS
from ingestion.endpoint import Endpoint
from ingestion.sources.moovitamix import ENDPOINTS
from operations.checks.check_result import CheckResult, CheckStatus, counted
from warehouse.errors import SourceError
from warehouse.settings import Settings

_CHECK = "source"

_ATTEMPTS = 2
_MAX_ANSWER_SECONDS = 20.0


def check_source(settings: Settings, landed: Mapping[str, int]) -> list[CheckResult]:
    """Reads the first and the last page of each endpoint.

    Args:
        settings: Which source; a load is more patient with it than a check.
        landed: Records that the last crawl left valid, by endpoint; empty before the first.
    """
    hasty = settings.but(
        request_attempts=min(settings.request_attempts, _ATTEMPTS),
        request_timeout_seconds=min(settings.request_timeout_seconds, _MAX_ANSWER_SECONDS),
    )
    reader = PageReader(hasty, HttpCounters())
    try:
        return [
            _check_endpoint(reader, endpoint, landed.get(endpoint.name)) for endpoint in ENDPOINTS
        ]
    finally:
        reader.close()


def _check_endpoint(reader: PageReader, endpoint: Endpoint, landed: int | None) -> CheckResult:
    try:
        first, size = reader.read_first(endpoint)
        rows_per_page = first.row_count or size
        page_count = max(1, -(-first.total // rows_per_page))
        last = reader.read(endpoint, page_count, size)
    except SourceError as error:
        return CheckResult(_CHECK, endpoint.name, CheckStatus.WRONG, str(error))
    expected = first.total - (page_count - 1) * rows_per_page
    rejected = len(first.rejected) + (len(last.rejected) if page_count > 1 else 0)
    status, detail = CheckStatus.OK, f"answers, reports {counted(first.total, 'row')}"
    if first.total != last.total:
        status = CheckStatus.NOTE
        detail = f"is on the move: reports {first.total:,} rows, then {last.total:,}"
    elif last.row_count != expected:
        status = CheckStatus.WRONG
        detail += f", but its last page holds {last.row_count} where {expected} are due"
    elif landed is not None and first.total < SMALLEST_SHARE_OF_ROWS * landed:
        status = CheckStatus.WRONG
        detail += (
            f", less than {SMALLEST_SHARE_OF_ROWS:.0%} of the {landed:,} landed: the next load "
            "will refuse it"
        )
    elif rejected:
        status = CheckStatus.NOTE
        detail += f"; {rejected} on the first and the last page do not fit its shape"
    figures = {"total": first.total, "landed": landed, "rejected_on_two_pages": rejected}
    return CheckResult(_CHECK, endpoint.name, status, detail, figures)
