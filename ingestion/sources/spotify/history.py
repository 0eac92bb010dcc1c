"""The events of an export as dlt takes them: Arrow tables in the columns of landing.

In: the pages of one kind of event, and whose they are. Out: a table per page, equal events once,
and why some of them are no listens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec
import pyarrow as pa
import xxhash
from dlt.common.schema.typing import TColumnSchema

from ingestion.crawl.decoding import Page
from ingestion.endpoint import ROW_HASH, Endpoint
from ingestion.sources.spotify.listens import why_no_listen
from ingestion.sources.spotify.records import AccountStream, Stream

USER_ID, DETAILS, LANDED_AT = "user_id", "details", "landed_at"


class History:
    """The events of one kind, equal ones once.

    Attributes:
        endpoint: What they are.
        pages: Their files.
        rejected: Records that do not fit.
        reasons: Different events by why they are no listens; counted as they are read.
        columns: The columns of the landing table, for dlt.
    """

    def __init__(self, endpoint: Endpoint, pages: Sequence[Page], user_id: str) -> None:
        self.endpoint = endpoint
        self.pages = pages
        self.rejected = [record for page in pages for record in page.rejected]
        self.reasons: Counter[str | None] = Counter()
        self.columns: dict[str, TColumnSchema] = {
            ROW_HASH: {"data_type": "text", "nullable": False, "primary_key": True},
            USER_ID: {"data_type": "text", "nullable": False},
            **{name: hint for name, hint in endpoint.column_hints.items() if name != ROW_HASH},
            DETAILS: {"data_type": "json"},
            LANDED_AT: {"data_type": "timestamp", "nullable": False},
        }
        self._user_id = user_id

    def tables(self, landed_at: datetime) -> Iterator[pa.Table]:
        """Streams the events of each file, and counts why some are no listens.

        Args:
            landed_at: From when they are valid.
        """
        seen: set[str] = set()
        for page in self.pages:
            rows: dict[str, list[Any]] = {name: [] for name in self.columns}
            for number, record in enumerate(page.records):
                details = page.undeclared.get(number)
                row_hash = _hash(self._user_id, record, details)
                if row_hash in seen:
                    continue
                seen.add(row_hash)
                written = msgspec.json.encode(details).decode() if details else None
                for name in self.endpoint.arrow_types:
                    rows[name].append(getattr(record, name))
                rows[ROW_HASH].append(row_hash)
                rows[USER_ID].append(self._user_id)
                rows[DETAILS].append(written)
                rows[LANDED_AT].append(landed_at)
                # both endpoints' records are events
                event = cast("Stream | AccountStream", record)
                self.reasons[why_no_listen(event, written)] += 1
            if rows[ROW_HASH]:
                yield pa.table(rows, schema=_arrow_schema(self.endpoint))


def _hash(user_id: str, record: msgspec.Struct, details: dict[str, Any] | None) -> str:
    # a later export that has one more field, null for what is older, tells nothing new
    told = {name: value for name, value in (details or {}).items() if value is not None}
    content = msgspec.json.encode([user_id, record, told], order="deterministic")
    return xxhash.xxh3_128_hexdigest(content)


def _arrow_schema(endpoint: Endpoint) -> pa.Schema:
    return pa.schema(
        {
            ROW_HASH: pa.string(),
            USER_ID: pa.string(),
            **endpoint.arrow_types,
            DETAILS: pa.string(),
            LANDED_AT: pa.timestamp("us", tz="UTC"),
        }
    )
