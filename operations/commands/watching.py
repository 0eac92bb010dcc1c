"""How it is: `check`, `pages`, `alerts`, `metrics`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
from rich.console import Console

from operations.commands.help import WholeHelpGroup, examples
from operations.commands.signals import end_on_sigterm
from warehouse.settings import Settings, read_settings


@click.command(
    epilog=examples("listenhouse check", "listenhouse check --rejected", "listenhouse check --json")
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.option("--rejected", is_flag=True, help="List every record in quarantine.")
def check(as_json: bool, rejected: bool) -> None:
    """Check source, landing and marts; exit 1 when something is wrong."""
    from operations.checks.check_result import CheckStatus  # noqa: PLC0415
    from operations.checks.sanity_check import check_all  # noqa: PLC0415
    from operations.checks.sanity_table import print_report, to_json  # noqa: PLC0415

    report = check_all(read_settings())
    if as_json:
        click.echo(to_json(report, list_rejections=rejected))
    else:
        print_report(report, list_rejections=rejected)
    sys.exit(1 if report.count(CheckStatus.WRONG) else 0)


@click.command(
    epilog=examples(
        "listenhouse pages",
        "listenhouse pages health --output /srv/www/health.html",
        "listenhouse pages listening --schema as_of_20260301_marts",
        "listenhouse pages wrapped --period 2026",
    )
)
@click.argument("page", required=False, type=click.Choice(("health", "listening", "wrapped")))
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write PAGE to, instead of one in the folder pages of LISTENHOUSE_HOME.",
)
@click.option(
    "--schema",
    default="marts",
    show_default=True,
    help="Schema of the marts, for listening and wrapped.",
)
@click.option(
    "--period",
    metavar="YEAR[-MONTH]",
    help="For wrapped: 2026 or 2026-11, instead of the last month that is over.",
)
def pages(page: str | None, output: Path | None, schema: str, period: str | None) -> None:
    """Write the pages, or one: HTML files that open offline.

    health is how the warehouse is, listening the dashboard, wrapped a month or year to share.
    """
    if output and not page:
        raise click.UsageError(
            "--output is where one page goes: name it, health, listening or wrapped."
        )
    settings = read_settings()
    try:
        if page in {None, "wrapped"}:
            file = (output or settings.wrapped_page_file).absolute()
            _write_wrapped_page(settings, file, schema, period)
        if page in {None, "listening"}:
            file = (output or settings.listening_page_file).absolute()
            _write_listening_page(settings, file, schema)
    finally:
        # it needs no marts, and links to the others
        if page in {None, "health"}:
            _write_health_page(settings, (output or settings.health_page_file).absolute())


def _write_listening_page(settings: Settings, file: Path, schema: str) -> None:
    from monitoring.listening_page.page import write_page  # noqa: PLC0415

    # a spinner where a terminal watches: a million listens take some seconds to count
    with Console(stderr=True).status("Counting listens"), _with_the_users_umask(settings, file):
        data = write_page(settings, file, schema)
    size = file.stat().st_size / 1_000_000
    click.echo(f"{data.listen_count:,} listens in {file} ({size:.1f} MB): open it in a browser.")


def _write_wrapped_page(settings: Settings, file: Path, schema: str, period: str | None) -> None:
    from monitoring.wrapped_page.page import write_page  # noqa: PLC0415
    from monitoring.wrapped_page.period import parse_period  # noqa: PLC0415

    try:
        wanted = parse_period(period) if period else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--period") from error
    with _with_the_users_umask(settings, file):
        wrapped = write_page(settings, file, schema, wanted)
    told = "wrapped" if wrapped.listens else "of which no listen is known yet"
    click.echo(f"{wrapped.period.name}, {told}, in {file}: open it in a browser.")


def _write_health_page(settings: Settings, file: Path) -> None:
    from monitoring.health_page.page import write_page  # noqa: PLC0415

    with _with_the_users_umask(settings, file):
        verdict = write_page(settings, file)
    size = file.stat().st_size / 1_000
    click.echo(
        f"{verdict.word}: {verdict.sentence} See {file} ({size:.0f} kB): open it in a browser."
    )


@click.group(cls=WholeHelpGroup)
def alerts() -> None:
    """Send alerts, or show what was sent."""


@alerts.command("check", epilog=examples("listenhouse alerts check"))
def check_alerts() -> None:
    """Send new findings to each target; exit 1 when one cannot be reached."""
    from monitoring.alerts.command import run_check  # noqa: PLC0415

    sys.exit(0 if run_check(read_settings()) else 1)


@alerts.command("test", epilog=examples("listenhouse alerts test"))
def test_alerts() -> None:
    """Send a test message to each target; exit 1 when one cannot be reached."""
    from monitoring.alerts.command import run_test  # noqa: PLC0415

    sys.exit(0 if run_test(read_settings()) else 1)


@alerts.command("summary", epilog=examples("listenhouse alerts summary --days 7"))
@click.option(
    "--days", type=click.IntRange(1, 31), default=1, show_default=True, help="How far back."
)
def summarize(days: int) -> None:
    """Mail a summary of the last days; exit 1 when it cannot be delivered."""
    from monitoring.alerts.command import run_summary  # noqa: PLC0415

    sys.exit(0 if run_summary(read_settings(), days) else 1)


@alerts.command("list", epilog=examples("listenhouse alerts list --json"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def list_alerts(as_json: bool) -> None:
    """List the findings of the last check, and who was notified."""
    from monitoring.alerts import command  # noqa: PLC0415

    command.list_alerts(read_settings(), as_json=as_json)


@click.group(cls=WholeHelpGroup)
def metrics() -> None:
    """Serve Prometheus metrics, or print them once."""


@metrics.command("serve", epilog=examples("listenhouse metrics serve --port 9101"))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="TCP port, instead of LISTENHOUSE_METRICS_PORT."
)
def serve_metrics(host: str, port: int | None) -> None:
    """Serve /metrics until Ctrl-C; each scrape reads the warehouse."""
    from monitoring.metrics.exporter import start_server  # noqa: PLC0415

    end_on_sigterm()
    settings = read_settings()
    port = port or settings.metrics_port
    server, thread = start_server(settings, host, port)
    click.echo(f"Metrics at http://{host}:{port}/metrics; Ctrl-C stops.")
    with suppress(KeyboardInterrupt):
        thread.join()
    server.shutdown()


@metrics.command(
    "show",
    epilog=examples("listenhouse metrics show --output /var/lib/node_exporter/listenhouse.prom"),
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write this file instead, as node_exporter's textfile collector reads it.",
)
def show_metrics(output: Path | None) -> None:
    """Print the metrics once."""
    from monitoring.metrics.exporter import read_metrics, write_metrics  # noqa: PLC0415

    settings = read_settings()
    if output:
        with _with_the_users_umask(settings, output.absolute()):
            write_metrics(settings, output)
    else:
        click.echo(read_metrics(settings), nl=False)


@contextmanager
def _with_the_users_umask(settings: Settings, output: Path) -> Iterator[None]:
    """Leaves to the user who may read a file, where it is not written to LISTENHOUSE_HOME."""
    if output.is_relative_to(settings.home):
        yield
        return
    private = os.umask(click.get_current_context().find_root().obj)
    try:
        yield
    finally:
        os.umask(private)
