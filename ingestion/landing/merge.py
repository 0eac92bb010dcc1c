"""Merges proven crawls into landing with dlt: SCD2, every version kept, equal rows once.

In: proven rows and the crawl's boundary. Out: merged landing tables, and dlt's load
package id. Rows travel as Arrow, through parquet, by COPY.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dlt

from ingestion.landing.pipeline import run_pipeline
from ingestion.landing.proven_rows import ProvenRows
from ingestion.sources.moovitamix import moovitamix


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
    pipeline: dlt.Pipeline, crawl: Sequence[ProvenRows], boundary_at: datetime
) -> LoadPackage:
    """Merges the endpoints, as of one boundary.

    Args:
        pipeline: The landing pipeline.
        crawl: What is valid of each.
        boundary_at: From when new versions are valid, until when closed ones were.

    Returns:
        dlt's load package.

    Raises:
        LandingError: A step of dlt failed.
    """
    info = run_pipeline(pipeline, moovitamix(crawl, boundary_at))
    (package,) = info.load_packages
    jobs: Counter[str] = Counter()
    job_bytes: Counter[str] = Counter()
    for job in package.jobs["completed_jobs"]:
        table = job.job_file_info.table_name
        jobs[table] += 1
        job_bytes[table] += job.file_size
    null_counts = {rows.endpoint.name: rows.null_counts for rows in crawl}
    return LoadPackage(package.load_id, jobs, job_bytes, null_counts)
