"""Merges proven crawls into landing with dlt: SCD2, every version kept, equal rows once.

In: crawled endpoints and the crawl's boundary. Out: merged landing tables, and dlt's load
package id. Rows travel as Arrow, through parquet, by COPY.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dlt
import msgspec
import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema
from dlt.extract import DltResource

from ingestion.crawl.completeness import CrawledEndpoint
from ingestion.crawl.undeclared_fields import name_undeclared_columns
from ingestion.endpoint import ROW_HASH, UNDECLARED
from ingestion.landing.pipeline import run_pipeline


@dataclass(frozen=True)
class LoadPackage:
    """What dlt loaded in one go.

    Attributes:
        load_id: Its identifier.
        jobs: Number of jobs, by table.
        job_bytes: Size of the files that they copied or ran, by table.
        null_counts: Rows of the crawl without a value, by table and column.
    """

    load_id: str
    jobs: Mapping[str, int]
    job_bytes: Mapping[str, int]
    null_counts: Mapping[str, Mapping[str, int]]


def merge(
    pipeline: dlt.Pipeline,
    crawled: Sequence[CrawledEndpoint],
    carried: Mapping[str, Sequence[str]],
    boundary_at: datetime,
) -> LoadPackage:
    """Merges the endpoints, as of one boundary.

    Args:
        pipeline: The landing pipeline.
        crawled: Proven rows.
        carried: By endpoint, row hashes of versions to keep valid although no row of this
            crawl has them.
        boundary_at: From when new versions are valid, until when closed ones were.

    Returns:
        dlt's load package.

    Raises:
        LandingError: A step of dlt failed.
    """
    null_counts: dict[str, Counter[str]] = {rows.endpoint.name: Counter() for rows in crawled}
    info = run_pipeline(
        pipeline,
        [
            _resource(
                rows,
                carried[rows.endpoint.name],
                boundary_at,
                null_counts[rows.endpoint.name],
            )
            for rows in crawled
        ],
    )
    (package,) = info.load_packages
    jobs: Counter[str] = Counter()
    job_bytes: Counter[str] = Counter()
    for job in package.jobs["completed_jobs"]:
        table = job.job_file_info.table_name
        jobs[table] += 1
        job_bytes[table] += job.file_size
    return LoadPackage(package.load_id, jobs, job_bytes, null_counts)


def _resource(
    crawled: CrawledEndpoint,
    carried: Sequence[str],
    boundary_at: datetime,
    null_counts: Counter[str],
) -> DltResource:
    endpoint = crawled.endpoint
    undeclared = name_undeclared_columns(endpoint, crawled.spool.undeclared_names)
    hints: dict[str, TColumnSchema] = dict(endpoint.column_hints)
    for column in undeclared.values():
        hints[column] = {"data_type": "json"}
    return dlt.resource(
        # a generator has dlt look for its module among all that are loaded
        lambda: _tables(crawled, carried, undeclared, null_counts),
        name=endpoint.name,
        columns=hints,
        # a parquet file without rows cannot be copied over ADBC
        file_format="parquet" if crawled.landed or carried else "csv",
        write_disposition={
            "disposition": "merge",
            "strategy": "scd2",
            "row_version_column_name": ROW_HASH,
            "boundary_timestamp": boundary_at,
        },
    )


def _tables(
    crawled: CrawledEndpoint,
    carried: Sequence[str],
    undeclared: Mapping[str, str],
    null_counts: Counter[str],
) -> Iterator[pa.Table]:
    schema = crawled.endpoint.spool_schema
    if not crawled.landed and not carried:
        # also without rows the table has to exist, and its versions to be closed
        yield _expand(schema.empty_table(), undeclared)
    for batch in crawled.rows():
        rows = _expand(pa.Table.from_batches([batch]), undeclared)
        # Arrow knows them: counted here they cost nothing
        null_counts.update(
            {name: rows.column(name).null_count for name in rows.column_names if name != ROW_HASH}
        )
        yield rows
    if carried:
        # dlt keeps a version valid when its hash is in the load; it reads no other column
        hashes = pa.array(carried, pa.string())
        nulls = [pa.nulls(len(hashes), field.type) for field in schema]
        nulls[schema.get_field_index(ROW_HASH)] = hashes
        yield _expand(pa.table(nulls, schema=schema), undeclared)


def _expand(rows: pa.Table, undeclared: Mapping[str, str]) -> pa.Table:
    """Replaces the spool's column of undeclared fields by one json column per field."""
    encoded = rows.column(UNDECLARED).to_pylist() if undeclared else []
    rows = rows.drop_columns([UNDECLARED])
    if not undeclared:
        return rows
    decode = functools.partial(msgspec.json.decode, type=dict[str, msgspec.Raw])
    fields = [decode(value) if value else {} for value in encoded]
    for name, column in undeclared.items():
        values = [bytes(row[name]).decode() if name in row else None for row in fields]
        rows = rows.append_column(column, pa.array(values, pa.string()))
    return rows
