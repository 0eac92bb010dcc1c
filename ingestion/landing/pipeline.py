"""How every source is landed with dlt: what a dead run left goes first, failures in one sentence.

In: settings and a source. Out: what dlt loaded.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import dlt
from dlt.common.pipeline import LoadInfo
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from ingestion.crawl.credentials import loading_credentials
from warehouse.errors import DiskError, LandingError, describe_unwritable
from warehouse.run_lock import LOADER_APPLICATION
from warehouse.run_log import adopt, get_logger
from warehouse.settings import Settings

_logger = get_logger(__name__)

SERVER_PARAMETERS = {
    # dlt's merge looks hashes up with `not in (select …)`. PostgreSQL hashes that subquery
    # only while it fits in work_mem, and scans it anew for every row otherwise: minutes at
    # 200k rows. 1 GB is enough for some ten million rows, and only taken as needed.
    "work_mem": "1GB",
}


def landing_pipeline(settings: Settings, name: str, schema: str) -> dlt.Pipeline:
    """A dlt pipeline that writes a landing schema.

    Args:
        settings: Which warehouse, and where dlt keeps its state.
        name: Its name, as people type it.
        schema: Landing schema.
    """
    credentials = loading_credentials(settings, LOADER_APPLICATION, SERVER_PARAMETERS)
    pipeline = dlt.pipeline(
        name,
        pipelines_dir=str(settings.dlt_directory / "pipelines"),
        destination=dlt.destinations.postgres(credentials=credentials),
        dataset_name=schema,
    )
    # not before: a pipeline sets up the log of dlt
    adopt("dlt")
    return pipeline


def run_pipeline(pipeline: dlt.Pipeline, source: DltSource) -> LoadInfo:
    """Loads a source in one package.

    Args:
        pipeline: Of `landing_pipeline`.
        source: What to load.

    Returns:
        What dlt did.

    Raises:
        DiskError: Its folder cannot be written.
        LandingError: A step of dlt failed.
    """
    try:
        return _forget_pending(pipeline).run(source)
    except OSError as error:
        # what dlt keeps beside its steps
        raise DiskError(
            "Nothing of this load is visible: the folder "
            f"{describe_unwritable(pipeline.working_dir, error)}, then run again."
        ) from error
    except PipelineStepFailed as error:
        _delete_rows_left(pipeline)
        raise LandingError(
            f"Landing failed in dlt's step `{error.step}`: {_root_cause(error.exception)}. "
            "Nothing of it is visible. Fix the cause and run again; `dlt pipeline "
            f"{pipeline.pipeline_name} trace` shows more."
        ) from error


def _forget_pending(pipeline: dlt.Pipeline) -> dlt.Pipeline:
    """Drops what a dead run left: dlt would finish it first, and then ignore the new rows."""
    try:
        pipeline.abort_packages()
    except Exception as error:
        # Whatever ails the folder, to drop it is the cure: the warehouse knows all that it
        # does. dlt killed between marking a package complete and moving it away can neither
        # finish nor abort it, now or at any later run.
        _logger.warning("dlt folder dropped", folder=pipeline.working_dir, cause=str(error))
        pipeline = pipeline.drop()
    _delete_rows_left(pipeline)
    return pipeline


def _delete_rows_left(pipeline: dlt.Pipeline) -> None:
    """Deletes the packages that are over and have their rows still.

    dlt keeps those of aborted packages, and of one that it could not tidy up: names and addresses,
    for ever.
    """
    for package in Path(pipeline.working_dir, "load", "loaded").glob("*"):
        if any(package.glob("*_jobs/*")):
            shutil.rmtree(package, ignore_errors=True)


def _root_cause(error: BaseException) -> str:
    """The first line of what went wrong first; dlt wraps it several times."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
