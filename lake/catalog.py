"""The lake's catalog: which Iceberg tables there are, in schema `lake` of the same PostgreSQL.

In: settings. Out: PyIceberg's catalog, in the layout of Iceberg's JDBC catalog (version 1), which
Spark, Trino and Flink open as well; and errors that name the table and say what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.table import Table
from sqlalchemy.exc import SQLAlchemyError

from lake.publications import SCHEMA
from lake.snapshot import APPLICATION
from warehouse.database import describe, library_url
from warehouse.errors import LakeError
from warehouse.settings import Settings

NAME = "listenhouse"
"""The catalog's name, by which its rows are found."""

LAYERS = ("bronze", "silver", "gold")
"""The namespaces that Listenhouse writes; others are other people's."""


@contextmanager
def open_catalog(settings: Settings) -> Iterator[SqlCatalog]:
    """The catalog, open while the block runs.

    Args:
        settings: Which warehouse and which lake.

    Raises:
        LakeError: It cannot be opened, or its tables are in another place.
    """
    url = library_url(settings, APPLICATION, {"search_path": SCHEMA})
    try:
        catalog = SqlCatalog(
            NAME,
            **{
                "uri": url.replace("postgresql://", "postgresql+psycopg://", 1),
                "warehouse": str(settings.lake),
                # of all that PyIceberg has, what reads every place that a lake can be in
                "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
            },
        )
        for layer in LAYERS:
            catalog.create_namespace_if_not_exists(layer)
    except SQLAlchemyError as error:
        raise LakeError(
            f"The lake's catalog, schema {SCHEMA} at {describe(settings)}, could not be opened "
            f"({_cause(error)}): run `listenhouse lake publish` as the owner of the database, to "
            "make it, or grant the user its tables (docs/lakehouse.md)."
        ) from error
    try:
        yield catalog
    finally:
        catalog.close()


def list_tables(catalog: SqlCatalog) -> list[str]:
    """The full names of all tables that Listenhouse wrote."""
    return [
        ".".join(identifier)
        for layer in LAYERS
        for identifier in sorted(catalog.list_tables(layer))
    ]


def load_table(catalog: SqlCatalog, settings: Settings, full_name: str) -> Table | None:
    """A table; None where there is none.

    Args:
        catalog: The catalog.
        settings: Where the lake is.
        full_name: Namespace and name.

    Raises:
        LakeError: It is in another place than the settings say.
    """
    try:
        table = catalog.load_table(full_name)
    except NoSuchTableError:
        return None
    if not table.location().startswith(f"{settings.lake}/"):
        raise LakeError(
            f"The lake's table {full_name} is at {table.location()}, and LISTENHOUSE_LAKE is "
            f"{settings.lake}: set it back, or begin a lake in the new place with `drop schema "
            f"{SCHEMA} cascade`, and delete the old files."
        )
    return table


@contextmanager
def explained(settings: Settings, action: str, full_name: str) -> Iterator[None]:
    """Says which table failed, and what to do.

    Args:
        settings: Where the lake is.
        action: What could not be done, as `written`.
        full_name: The table, or a file.

    Raises:
        LakeError: What went wrong in the block.
    """
    try:
        yield
    except (
        CommitFailedException,
        OSError,
        pa.ArrowException,
        SQLAlchemyError,
        ValueError,
    ) as error:
        raise LakeError(
            f"The lake's {full_name} could not be {action} in {settings.lake} ({_cause(error)}). "
            "What was complete stays, and is what tags show. Mend the cause, then run `listenhouse "
            "lake publish`."
        ) from error


def _cause(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
