"""Refuses a source that went wrong before it closes versions by the thousand.

In: the keys of a crawl and those landing holds. Out: nothing, or a refusal with the figures
and the way to accept it on purpose.
"""

from __future__ import annotations

import numpy as np

from ingestion.crawl.spool import KeyColumns, packed_keys
from ingestion.endpoint import Endpoint
from warehouse.errors import ShrunkSourceError

SMALLEST_SHARE_OF_ROWS = 0.8
SMALLEST_SHARE_OF_KEYS = 0.5


def refuse_shrunk(endpoint: Endpoint, crawled: KeyColumns, landed: KeyColumns) -> None:
    """Compares a crawl with what landing holds.

    Args:
        endpoint: Which endpoint.
        crawled: Keys of the crawl, rejected records included where their key is readable.
        landed: Keys of the versions that are valid now.

    Raises:
        ShrunkSourceError: The crawl has less than 80 % of the rows, or less than 50 % of
            the keys.
    """
    rows, before = len(crawled[0]), len(landed[0])
    remedy = (
        "Nothing was changed. If this is how the source is meant to be, accept it with "
        "`dlt pipeline listen_history run --accept-shrink`."
    )
    if rows < SMALLEST_SHARE_OF_ROWS * before:
        raise ShrunkSourceError(
            f"/{endpoint.name} holds {rows} rows, the last crawl had {before}: less than "
            f"{SMALLEST_SHARE_OF_ROWS:.0%}. {remedy}"
        )
    shared = int(np.isin(packed_keys(landed), packed_keys(crawled)).sum())
    if shared < SMALLEST_SHARE_OF_KEYS * before:
        raise ShrunkSourceError(
            f"/{endpoint.name} shares {shared} of {before} keys with the last crawl: less than "
            f"{SMALLEST_SHARE_OF_KEYS:.0%}, as if it were another source. {remedy}"
        )
