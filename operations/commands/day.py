"""A day: `run`, `steps`, `runs`, `heartbeat`."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from functools import partial

import click
from rich import box
from rich.console import Console
from rich.table import Table

from operations.commands.help import examples
from operations.commands.signals import end_on_sigterm
from warehouse.daily_steps import ALERTS, DAILY_STEPS, FEED, LAKE, to_json
from warehouse.errors import SettingsError
from warehouse.settings import read_settings


@click.command(
    epilog=examples(
        "listenhouse run", "listenhouse run --resume", "listenhouse run --step load --accept-shrink"
    )
)
@click.option(
    "--accept-shrink",
    is_flag=True,
    help="Land the crawl even if the API has far fewer rows than before, or other keys.",
)
@click.option(
    "--full-audit",
    is_flag=True,
    help="Run the data tests on all rows, not only on those built since the last audit.",
)
@click.option("--resume", is_flag=True, help="Continue where the last run failed, within 20 hours.")
@click.option(
    "--step",
    type=click.Choice([one.name for one in DAILY_STEPS]),
    help="Run only this step; `listenhouse steps` lists them.",
)
@click.option(
    "--no-alerts",
    is_flag=True,
    help="Send no alert on failure: for an attempt that will be repeated.",
)
def run(
    accept_shrink: bool, full_audit: bool, resume: bool, step: str | None, no_alerts: bool
) -> None:
    """Run a day: start, load, build and test, train when needed, recommend."""
    from monitoring.alerts.after_run import check_alerts_after, notify  # noqa: PLC0415
    from monitoring.alerts.command import run_check  # noqa: PLC0415
    from operations.daily_run.run import DayOptions, run_day  # noqa: PLC0415

    if resume and step:
        raise click.UsageError("--resume goes on to the end; --step runs one step: choose one.")
    end_on_sigterm()
    settings = read_settings()
    if step and step not in {one.name for one in settings.steps}:
        missing = {
            LAKE: "A run has no step lake as LISTENHOUSE_LAKE is not set: docs/lakehouse.md.",
            FEED: "A run has no step feed as LISTENHOUSE_FEED is no: docs/streams.md.",
        }
        raise SettingsError(
            missing.get(step)
            or f"A run has no step {step} as LISTENHOUSE_RECOMMEND is no: set it to yes, or use "
            f"`listenhouse {step}`."
        )
    if step == ALERTS:
        sys.exit(0 if run_check(settings) else 1)
    following = nullcontext() if no_alerts else check_alerts_after(settings)
    with following:
        report = run_day(
            settings,
            DayOptions(accept_shrink, full_audit, resume, step),
            tell=partial(notify, settings) if not no_alerts else lambda _error: None,
        )
        from operations.daily_run.run_summary import print_summary  # noqa: PLC0415 (imports every step)

        print_summary(settings, report)


@click.command(epilog=examples("listenhouse steps --json"))
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


@click.command(epilog=examples("listenhouse runs --number 30"))
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


@click.command(epilog=examples("listenhouse heartbeat success"))
@click.argument(
    "what", metavar="start|success|fail", type=click.Choice(("start", "success", "fail"))
)
def heartbeat(what: str) -> None:
    """Signal the monitor at LISTENHOUSE_HEARTBEAT_URL; a run does this by itself."""
    from operations.daily_run.heartbeat import Signal, ping  # noqa: PLC0415

    settings = read_settings()
    if settings.heartbeat_url is None:
        click.echo("LISTENHOUSE_HEARTBEAT_URL is not set: no signal is sent.")
    elif not ping(settings, Signal(what)):
        click.echo("The monitor could not be told; what it waits for is late.", err=True)
