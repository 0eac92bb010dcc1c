"""Four ways to bring the same API into PostgreSQL, each run as a process of its own.

In: the name of a way, the API's URL, the database's URL, a folder for state. Out: tables.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

ENDPOINTS = ("users", "tracks", "listen_history")
PAGE_SIZE = 100
THREADS = 8


class RawPage(msgspec.Struct):
    """A page whose records are left as they came."""

    items: list[msgspec.Raw]
    pages: int


def listenhouse(_api_url: str, _database_url: str, _folder: Path) -> None:
    """Our load: proof of completeness, typed records, quarantine, SCD2."""
    from ingestion.landing.load import load  # noqa: PLC0415 (its import is a part of the cost)
    from warehouse.run_lock import hold_run_lock  # noqa: PLC0415
    from warehouse.settings import read_settings  # noqa: PLC0415

    settings = read_settings()
    with hold_run_lock(settings) as lock:
        load(settings, lock)


def rest_api(api_url: str, database_url: str, folder: Path) -> None:
    """The stock source of dlt, with the same history kept."""
    os.environ |= {"DLT_DATA_DIR": str(folder), "RUNTIME__DLTHUB_TELEMETRY": "false"}
    import dlt  # noqa: PLC0415
    from dlt.sources.rest_api import rest_api_source  # noqa: PLC0415

    source = rest_api_source(
        {
            "client": {
                "base_url": api_url,
                "paginator": {"type": "page_number", "base_page": 1, "total_path": "pages"},
            },
            "resource_defaults": {
                "write_disposition": {"disposition": "merge", "strategy": "scd2"},
                "endpoint": {"params": {"size": PAGE_SIZE}, "data_selector": "items"},
                "max_table_nesting": 0,
            },
            "resources": list(ENDPOINTS),
        }
    )
    # without it PostgreSQL scans the subquery of dlt's merge once per row
    url = database_url.replace("listenhouse@", "listenhouse:none@") + "?options=-cwork_mem%3D1GB"
    pipeline = dlt.pipeline(
        "rest_api", destination=dlt.destinations.postgres(credentials=url), dataset_name="raw"
    )
    pipeline.run(source)


def pandas_to_sql(api_url: str, database_url: str, _folder: Path) -> None:
    """A loop over pages, a data frame, `to_sql`; no history, no checks."""
    import pandas  # type: ignore[import-untyped]  # noqa: PLC0415
    import requests  # noqa: PLC0415
    import sqlalchemy  # noqa: PLC0415

    engine = sqlalchemy.create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    session = requests.Session()
    for endpoint in ENDPOINTS:
        rows: list[dict[str, Any]] = []
        page, pages = 1, 1
        while page <= pages:
            answer = session.get(
                f"{api_url}/{endpoint}", params={"page": page, "size": PAGE_SIZE}
            ).json()
            rows += answer["items"]
            pages = answer["pages"]
            page += 1
        frame = pandas.DataFrame(rows)
        if "items" in frame:
            frame["items"] = frame["items"].map(json.dumps)
        frame.to_sql(
            endpoint, engine, if_exists="replace", index=False, method="multi", chunksize=5000
        )


def floor(api_url: str, database_url: str, _folder: Path) -> None:
    """The least that a client can do: threads, raw slices, one COPY per endpoint; no checks."""
    import psycopg  # noqa: PLC0415
    import requests  # noqa: PLC0415
    from psycopg import sql  # noqa: PLC0415

    decoder = msgspec.json.Decoder(RawPage)
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=THREADS))
    session.trust_env = False

    def pages_of(endpoint: str) -> Iterator[RawPage]:
        def fetch(page: int) -> RawPage:
            parameters = {"page": page, "size": PAGE_SIZE}
            return decoder.decode(session.get(f"{api_url}/{endpoint}", params=parameters).content)

        first = fetch(1)
        yield first
        with ThreadPoolExecutor(THREADS) as pool:
            yield from pool.map(fetch, range(2, first.pages + 1))

    with psycopg.connect(database_url) as connection:
        for endpoint in ENDPOINTS:
            table = sql.Identifier(endpoint)
            connection.execute(sql.SQL("create table {} (record json)").format(table))
            copy = sql.SQL("copy {} (record) from stdin").format(table)
            with connection.cursor().copy(copy) as writer:
                for page in pages_of(endpoint):
                    lines = b"\n".join(bytes(row) for row in page.items)
                    writer.write(lines.replace(b"\\", b"\\\\") + b"\n")


CONTENDERS: dict[str, Callable[[str, str, Path], None]] = {
    "listenhouse": listenhouse,
    "rest_api": rest_api,
    "pandas": pandas_to_sql,
    "floor": floor,
}

if __name__ == "__main__":
    name, api, database, state = sys.argv[1:]
    CONTENDERS[name](api, database, Path(state))
