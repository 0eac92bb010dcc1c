"""What runs: `up`, `down`, `status`, `url`, `serve`, `consume`."""

from __future__ import annotations

from contextlib import suppress

import click
from rich.console import Console

from operations.commands.help import examples
from operations.commands.signals import end_on_sigterm
from warehouse.settings import Settings, read_settings


@click.command(epilog=examples("listenhouse up"))
def up() -> None:
    """Start PostgreSQL and the simulator, unless the settings name others."""
    from ingestion.landing.crawl_ledger import crawl_dates  # noqa: PLC0415
    from ingestion.sources.moovitamix import LANDING_SCHEMA  # noqa: PLC0415
    from operations.services.simulator_process import find_simulator, today  # noqa: PLC0415
    from operations.services.start_stop import start_postgres, start_source  # noqa: PLC0415
    from warehouse.database import connect  # noqa: PLC0415

    settings = read_settings()
    start_postgres(settings)
    with connect(settings, "listenhouse up") as connection:
        landed = crawl_dates(connection, LANDING_SCHEMA)
    # the day that was landed last: only a run lets the simulator move on, and one may be
    # crawling it now
    if find_simulator(settings) is None:
        start_source(settings, landed or [today()])
    _show_status(settings)


@click.command(epilog=examples("listenhouse down"))
def down() -> None:
    """Stop what `up` started; the data stays."""
    from operations.services.start_stop import stop_services  # noqa: PLC0415

    stopped = stop_services(read_settings())
    click.echo(f"Stopped {' and '.join(stopped)}." if stopped else "Nothing was running.")


@click.command(epilog=examples("listenhouse status"))
def status() -> None:
    """Show the services, the last load, and the published day."""
    _show_status(read_settings())


@click.command(epilog=examples('psql "$(listenhouse url)"'))
def url() -> None:
    """Print the connection URL of the warehouse, for psql and other tools."""
    click.echo(read_settings().database_url)


@click.command(epilog=examples("listenhouse serve", "listenhouse serve --port 8080 --workers 2"))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="TCP port, instead of LISTENHOUSE_SERVING_PORT."
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes."
)
def serve(host: str, port: int | None, workers: int) -> None:
    """Serve recommendations over HTTP until Ctrl-C."""
    from operations.services import api_server  # noqa: PLC0415

    end_on_sigterm()
    settings = read_settings()
    with suppress(KeyboardInterrupt):
        api_server.serve(settings, host, port or settings.serving_port, workers)


@click.command(epilog=examples("listenhouse consume", "listenhouse consume --until-end"))
@click.option("--until-end", is_flag=True, help="Stop at the end of the topic.")
@click.option(
    "--accept-gap", is_flag=True, help="Go on where Kafka deleted events that were never landed."
)
def consume(until_end: bool, accept_gap: bool) -> None:
    """Land listening events from Kafka until Ctrl-C, each exactly once."""
    from ingestion.sources.events.consume_command import run_consumer  # noqa: PLC0415

    end_on_sigterm()
    run_consumer(read_settings(), until_end=until_end, accept_gap=accept_gap)


def _show_status(settings: Settings) -> None:
    from operations.services.service_status import describe_services  # noqa: PLC0415

    Console(highlight=False, markup=False).print(describe_services(settings))
