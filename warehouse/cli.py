"""The `listenhouse` command: what neither dlt nor dbt does.

In: the command line. Out: services up or down, a day run, and lines a person can act on.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
from rich import box
from rich.console import Console
from rich.table import Table

from warehouse.daily_steps import ALERTS, DAILY_STEPS, to_json
from warehouse.errors import (
    INTERRUPTED,
    TERMINATED,
    ListenhouseError,
    SettingsError,
    StepTimedOutError,
    Termination,
    full_disk,
)
from warehouse.settings import Settings, read_settings
from warehouse.time_limit import end_process


def _raise_termination(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Termination


class _Commands(click.Group):
    """Prints expected failures as one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except (ListenhouseError, OSError) as caught:
            error = full_disk(caught) if isinstance(caught, OSError) else caught
            if error is None or ctx.params.get("debug"):
                raise
            click.echo(str(error), err=True)
            if isinstance(error, StepTimedOutError):
                # threads of the step can hang still
                end_process(error.exit_code)
            sys.exit(error.exit_code)
        except KeyboardInterrupt as interrupt:
            click.echo(
                "Interrupted: what was committed stays, nothing else is visible. Run again to "
                "complete it.",
                err=True,
            )
            sys.exit(TERMINATED if isinstance(interrupt, Termination) else INTERRUPTED)


@click.group(cls=_Commands, context_settings={"max_content_width": 100})
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
@click.version_option(package_name="listenhouse")
@click.pass_context
def main(context: click.Context, debug: bool) -> None:  # noqa: ARG001 (read by the group)
    """Runs the listen-history warehouse; loads are dlt's, models are dbt's."""
    from warehouse.private_home import PRIVATE_UMASK, close_to_others  # noqa: PLC0415
    from warehouse.run_log import log_to_terminal  # noqa: PLC0415

    context.obj = os.umask(PRIVATE_UMASK)
    # the command says what is wrong with a setting, unless only its help is asked for
    with suppress(SettingsError):
        settings = read_settings()
        close_to_others(settings.home)
        log_to_terminal(settings)


@main.command()
def up() -> None:
    """Start PostgreSQL and the simulator, where they are ours to start."""
    from ingestion.crawl_ledger import count_crawls  # noqa: PLC0415
    from ingestion.moovitamix import LANDING_SCHEMA  # noqa: PLC0415
    from warehouse.database import connect  # noqa: PLC0415
    from warehouse.services import start_postgres, start_source  # noqa: PLC0415
    from warehouse.simulator_process import find_simulator  # noqa: PLC0415

    settings = read_settings()
    start_postgres(settings)
    with connect(settings, "listenhouse up") as connection:
        landed_days = count_crawls(connection, LANDING_SCHEMA)
    # the day that was landed last: only a run lets the simulator move on, and one may be
    # crawling it now
    if find_simulator(settings) is None:
        start_source(settings, day=max(landed_days - 1, 0))
    _show_status(settings)


@main.command()
def down() -> None:
    """Stop what `up` started; the data stays."""
    from warehouse.services import stop_services  # noqa: PLC0415

    stopped = stop_services(read_settings())
    click.echo(f"Stopped {' and '.join(stopped)}." if stopped else "Nothing was running.")


@main.command()
def status() -> None:
    """Show what runs, and what was landed last."""
    _show_status(read_settings())


@main.command()
def url() -> None:
    """Print the connection URL of the warehouse, for psql and other tools."""
    click.echo(read_settings().database_url)


@main.command()
@click.option(
    "--accept-shrink",
    is_flag=True,
    help="Land the crawl even when the API holds far less than before, or other keys.",
)
@click.option(
    "--full-audit",
    is_flag=True,
    help="Have the data tests read all rows, not only what was built since the last audit.",
)
@click.option("--resume", is_flag=True, help="Go on where the last run failed, within 20 hours.")
@click.option(
    "--step",
    type=click.Choice([one.name for one in DAILY_STEPS]),
    help="Run this step alone; `listenhouse steps` lists.",
)
@click.option(
    "--no-alerts", is_flag=True, help="Tell nobody of a failure: for a try that is repeated."
)
def run(
    accept_shrink: bool, full_audit: bool, resume: bool, step: str | None, no_alerts: bool
) -> None:
    """Run a day: start, load, build and test, train when needed, recommend."""
    from monitoring.alerts.after_run import alerts_afterwards, tell_of  # noqa: PLC0415
    from monitoring.alerts.command import run_check  # noqa: PLC0415
    from warehouse.daily_run import DayOptions, run_day  # noqa: PLC0415

    if resume and step:
        raise click.UsageError("--resume goes on to the end; --step runs one step: choose one.")
    signal.signal(signal.SIGTERM, _raise_termination)
    settings = read_settings()
    if step and step not in {one.name for one in settings.steps}:
        raise SettingsError(
            f"A run has no step {step} as LISTENHOUSE_RECOMMEND is no: set it to yes, or use "
            f"`listenhouse {step}`."
        )
    if step == ALERTS:
        sys.exit(0 if run_check(settings) else 1)
    following = nullcontext() if no_alerts else alerts_afterwards(settings)
    with following:
        report = run_day(
            settings,
            DayOptions(accept_shrink, full_audit, resume, step),
            tell=partial(tell_of, settings) if not no_alerts else lambda _error: None,
        )
        from warehouse.run_summary import print_summary  # noqa: PLC0415 (imports every step)

        print_summary(settings, report)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for schedulers.")
def steps(as_json: bool) -> None:
    """List the steps of a run: order, time limits, retries."""
    settings = read_settings()
    if as_json:
        click.echo(to_json(settings.steps, settings.step_retry_seconds))
        return
    table = Table("step", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("at most", "retries"):
        table.add_column(heading, justify="right")
    table.add_column("what")
    for step in settings.steps:
        table.add_row(step.name, f"{step.timeout_seconds:,} s", str(step.retries), step.description)
    Console(highlight=False, markup=False).print(table)


@main.command()
@click.argument(
    "what", metavar="start|success|fail", type=click.Choice(("start", "success", "fail"))
)
def heartbeat(what: str) -> None:
    """Tell the monitor of LISTENHOUSE_HEARTBEAT_URL; a run does so by itself."""
    from warehouse.heartbeat import Signal, ping  # noqa: PLC0415

    settings = read_settings()
    if settings.heartbeat_url is None:
        click.echo("LISTENHOUSE_HEARTBEAT_URL is not set: nobody is told.")
    elif not ping(settings, Signal(what)):
        click.echo("The monitor could not be told; what it waits for is late.", err=True)


@main.command()
@click.option("--number", default=10, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def runs(number: int, as_json: bool) -> None:
    """Show the last runs: when, how they ended, how long each step took."""
    from warehouse.ops.run_history import print_runs, read_runs, to_json  # noqa: PLC0415

    recorded = read_runs(read_settings(), number)
    if as_json:
        click.echo(to_json(recorded))
    else:
        print_runs(recorded)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.option("--rejected", is_flag=True, help="List every record in quarantine.")
def check(as_json: bool, rejected: bool) -> None:
    """Check source, landing and marts; exit 1 when something is wrong."""
    from warehouse.checks.finding import Status  # noqa: PLC0415
    from warehouse.checks.sanity_check import check_all  # noqa: PLC0415
    from warehouse.checks.sanity_table import print_report, to_json  # noqa: PLC0415

    report = check_all(read_settings())
    if as_json:
        click.echo(to_json(report, list_rejections=rejected))
    else:
        print_report(report, list_rejections=rejected)
    sys.exit(1 if report.count(Status.WRONG) else 0)


@main.command()
@click.argument("crawl_id", required=False)
@click.option("--reason", default="", help="Why; kept in the trace.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def withdraw(crawl_id: str | None, reason: str, yes: bool) -> None:
    """Take back the last crawl, or CRAWL_ID and all after it."""
    from ingestion.withdrawal_command import run_withdrawal  # noqa: PLC0415

    if not run_withdrawal(read_settings(), crawl_id, reason, agreed=yes):
        sys.exit(1)


@main.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def redate(yes: bool) -> None:
    """Set back what a clock that ran ahead left in the future; nothing is lost."""
    from warehouse.redate_command import run_redate  # noqa: PLC0415

    if not run_redate(read_settings(), agreed=yes):
        sys.exit(1)


@main.command()
def vacuum() -> None:
    """Vacuum and analyze the warehouse, while no run is under way."""
    from warehouse.vacuum import run_vacuum  # noqa: PLC0415

    signal.signal(signal.SIGTERM, _raise_termination)
    click.echo(f"Vacuumed and analyzed in {run_vacuum(read_settings()):.1f} s.")


@main.command()
@click.argument("user_id")
@click.option("--source", default="moovitamix", show_default=True, help="Where they are a user.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(user_id: str, source: str, yes: bool) -> None:
    """Erase a person from everything, for ever. USER_ID is the source's; - reads it from stdin."""
    from warehouse.forget_command import run_forget  # noqa: PLC0415

    signal.signal(signal.SIGTERM, _raise_termination)
    # a process list shows arguments to everybody
    given = sys.stdin.readline().strip() if user_id == "-" else user_id
    if not run_forget(read_settings(), source, given, agreed=yes):
        sys.exit(1)


@main.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(yes: bool) -> None:
    """Delete what is older than its retention (LISTENHOUSE_KEEP_…); landing has none."""
    from warehouse.prune_command import run_prune  # noqa: PLC0415

    if not run_prune(read_settings(), agreed=yes):
        sys.exit(1)


@main.command()
@click.argument("role", required=False)
@click.argument("login", required=False)
def grant(role: str | None, login: str | None) -> None:
    """Create the group roles and their rights; with ROLE LOGIN: let a login act as one."""
    from warehouse.grant_command import run_grant  # noqa: PLC0415

    run_grant(read_settings(), role, login)


@main.command()
@click.option(
    "--date",
    "for_date",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day that the lists are for, instead of that of the last crawl.",
)
def recommend(for_date: datetime | None) -> None:
    """Compute the lists of a day: 20 tracks for every user."""
    from recommender.command import run_recommend  # noqa: PLC0415

    signal.signal(signal.SIGTERM, _raise_termination)
    run_recommend(read_settings(), for_date.date() if for_date else None)


@main.command()
@click.option("--if-needed", is_flag=True, help="Train when a trigger fires only, and say which.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of models and intervals.")
def retrain(if_needed: bool, seed: int | None) -> None:
    """Train a model; it becomes champion when it is better. Exit 1 when the data is refused."""
    from recommender.command import run_retrain  # noqa: PLC0415

    signal.signal(signal.SIGTERM, _raise_termination)
    succeeded = run_retrain(read_settings(), only_if_needed=if_needed, seed=seed)
    sys.exit(0 if succeeded or if_needed else 1)


@main.command("rollback-model")
@click.option("--reason", default="", help="Why; kept in the trace.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rollback_model(reason: str, yes: bool) -> None:
    """Put the previous champion back; a second time undoes the first."""
    from recommender.command import run_rollback  # noqa: PLC0415

    if not run_rollback(read_settings(), reason, agreed=yes):
        sys.exit(1)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def models(as_json: bool) -> None:
    """Show the registered models, which one is champion, and what was decided last."""
    from recommender.command import list_models  # noqa: PLC0415

    list_models(read_settings(), as_json=as_json)


@main.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write, instead of pages/listening.html in LISTENHOUSE_HOME.",
)
@click.option("--schema", default="marts", show_default=True, help="Schema of the marts.")
def dashboard(output: Path | None, schema: str) -> None:
    """Write the listening dashboard: one HTML file that opens offline."""
    from monitoring.listening_page import write_page  # noqa: PLC0415

    settings = read_settings()
    page = (output or settings.listening_page_file).absolute()
    # a spinner where a terminal watches: a million listens take some seconds to count
    with Console(stderr=True).status("Counting listens"), _with_the_users_umask(settings, page):
        data = write_page(settings, page, schema)
    size = page.stat().st_size / 1_000_000
    click.echo(f"{data.listen_count:,} listens in {page} ({size:.1f} MB): open it in a browser.")


@main.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write, instead of pages/health.html in LISTENHOUSE_HOME.",
)
def report(output: Path | None) -> None:
    """Write the health page: how the warehouse is, in one HTML file that opens offline."""
    from monitoring.health_page import write_page  # noqa: PLC0415

    settings = read_settings()
    page = (output or settings.health_page_file).absolute()
    with _with_the_users_umask(settings, page):
        verdict = write_page(settings, page)
    size = page.stat().st_size / 1_000
    click.echo(
        f"{verdict.word}: {verdict.sentence} See {page} ({size:.0f} kB): open it in a browser."
    )


@main.group()
def metrics() -> None:
    """Prometheus metrics: serve them, or print them once."""


@metrics.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="TCP port, instead of LISTENHOUSE_METRICS_PORT."
)
def serve_metrics(host: str, port: int | None) -> None:
    """Serve /metrics until Ctrl-C; each scrape reads the warehouse anew."""
    from monitoring.prometheus_metrics import start_server  # noqa: PLC0415

    signal.signal(signal.SIGTERM, _raise_termination)
    settings = read_settings()
    port = port or settings.metrics_port
    server, thread = start_server(settings, host, port)
    click.echo(f"Metrics at http://{host}:{port}/metrics; Ctrl-C stops.")
    with suppress(KeyboardInterrupt):
        thread.join()
    server.shutdown()


@metrics.command("show")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write this file instead, as node_exporter's textfile collector reads it.",
)
def show_metrics(output: Path | None) -> None:
    """Print the metrics once."""
    from monitoring.prometheus_metrics import read_metrics, write_metrics  # noqa: PLC0415

    settings = read_settings()
    if output:
        with _with_the_users_umask(settings, output.absolute()):
            write_metrics(settings, output)
    else:
        click.echo(read_metrics(settings), nl=False)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="TCP port, instead of LISTENHOUSE_SERVING_PORT."
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes."
)
def serve(host: str, port: int | None, workers: int) -> None:
    """Serve recommendations over HTTP until Ctrl-C."""
    from warehouse import api_server  # noqa: PLC0415

    signal.signal(signal.SIGTERM, _raise_termination)
    settings = read_settings()
    with suppress(KeyboardInterrupt):
        api_server.serve(settings, host, port or settings.serving_port, workers)


@main.group()
def alerts() -> None:
    """Tell people what is wrong, or show what they were told."""


@alerts.command("check")
def check_alerts() -> None:
    """Tell each target what is news to it; exit 1 when one cannot be told."""
    from monitoring.alerts.command import run_check  # noqa: PLC0415

    sys.exit(0 if run_check(read_settings()) else 1)


@alerts.command("test")
def test_alerts() -> None:
    """Send a test to each target and say what happened; exit 1 when one cannot be told."""
    from monitoring.alerts.command import run_test  # noqa: PLC0415

    sys.exit(0 if run_test(read_settings()) else 1)


@alerts.command("summary")
@click.option(
    "--days", type=click.IntRange(1, 31), default=1, show_default=True, help="How far back."
)
def summarize(days: int) -> None:
    """Mail how the warehouse was of late; exit 1 when it does not arrive."""
    from monitoring.alerts.command import run_summary  # noqa: PLC0415

    sys.exit(0 if run_summary(read_settings(), days) else 1)


@alerts.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def list_alerts(as_json: bool) -> None:
    """Show what is wrong, as last checked, and who was told."""
    from monitoring.alerts import command  # noqa: PLC0415

    command.list_alerts(read_settings(), as_json=as_json)


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


def _show_status(settings: Settings) -> None:
    from warehouse.service_status import describe_services  # noqa: PLC0415

    Console(highlight=False, markup=False).print(describe_services(settings))
