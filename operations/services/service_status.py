"""What runs, what was landed last and what people read, as a table for a person."""

from __future__ import annotations

from rich.table import Table

from ingestion.landing.crawl_ledger import crawl_dates, last_boundary
from ingestion.sources.moovitamix import LANDING_SCHEMA
from operations.publication import published_boundary, unpublished_reason
from operations.services import embedded_postgres
from operations.services.simulator_process import find_simulator
from warehouse.database import connect, describe
from warehouse.errors import DatabaseError
from warehouse.settings import Settings


def describe_services(settings: Settings) -> Table:
    """Describes database, source and landing.

    Args:
        settings: Which ones.

    Raises:
        EmbeddedPostgresError: The embedded server's data directory is incomplete.
    """
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("database", _describe_database(settings))
    table.add_row("source", _describe_source(settings))
    table.add_row("landing", _describe_landing(settings))
    table.add_row("marts", _describe_marts(settings))
    return table


def _describe_database(settings: Settings) -> str:
    if not settings.uses_embedded_postgres:
        return f"{describe(settings)} (LISTENHOUSE_DATABASE_URL)"
    state = embedded_postgres.read_state(settings)
    if state.port is not None:
        return f"embedded PostgreSQL, runs on port {state.port}"
    if state.created:
        return "embedded PostgreSQL, stopped: `listenhouse up` starts it"
    return "embedded PostgreSQL, not created yet: `listenhouse up` creates it"


def _describe_source(settings: Settings) -> str:
    if not settings.uses_simulator:
        return f"{settings.api_location} (LISTENHOUSE_API_URL)"
    simulator = find_simulator(settings)
    if simulator is None:
        return "simulator, stopped: `listenhouse up` starts it"
    return (
        f"simulator, runs on port {simulator.port}, serves day {simulator.day} ({simulator.as_of})"
    )


def _describe_landing(settings: Settings) -> str:
    try:
        with connect(settings, "listenhouse status") as connection:
            crawls = len(crawl_dates(connection, LANDING_SCHEMA))
            boundary = last_boundary(connection, LANDING_SCHEMA)
    except DatabaseError as error:
        return str(error)
    if boundary is None:
        return "no load yet: `make run`, or `dlt pipeline listen_history run`"
    return f"{crawls} crawls, the last as of {boundary:%F %T %Z}"


def _describe_marts(settings: Settings) -> str:
    try:
        with connect(settings, "listenhouse status") as connection:
            boundary = published_boundary(connection)
            reason = unpublished_reason(connection)
    except DatabaseError as error:
        return str(error)
    if reason is not None:
        return reason
    if boundary is None:
        return "not built yet: `dbt build`"
    return f"published, as of {boundary:%F %T} UTC"
