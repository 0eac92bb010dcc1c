"""The `listenhouse` command: what neither dlt nor dbt does.

In: the command line. Out: services up or down, a day run, and lines a person can act on.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

import click

from operations.commands import (
    care,
    day,
    lakehouse,
    recommendations,
    services,
    streaming,
    watching,
)
from operations.commands.help import WholeHelpGroup
from operations.daily_run.time_limit import end_process
from warehouse.errors import (
    INTERRUPTED,
    TERMINATED,
    ListenhouseError,
    SettingsError,
    StepTimedOutError,
    Termination,
    full_disk,
)
from warehouse.process_environment import prepare_environment
from warehouse.settings import read_settings

_SECTIONS = {
    "Every day": (day.run, day.steps, day.runs, day.heartbeat),
    "Services": (
        services.up,
        services.status,
        services.url,
        services.serve,
        services.down,
    ),
    "Health": (watching.check, watching.pages, watching.alerts, watching.metrics),
    "Recommendations": (
        recommendations.recommend,
        recommendations.retrain,
        recommendations.models,
        recommendations.rollback_model,
    ),
    "The lakehouse": (lakehouse.lake,),
    "Streams": (services.consume, streaming.feed),
    "Care": (care.withdraw, care.redate, care.prune, care.vacuum, care.grant, care.forget),
}


class _Listenhouse(WholeHelpGroup):
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


@click.group(
    cls=_Listenhouse,
    sections=_SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
@click.version_option(package_name="listenhouse")
@click.pass_context
def main(context: click.Context, debug: bool) -> None:  # noqa: ARG001 (read by the group)
    """Runs the listen-history warehouse: dlt loads it, dbt builds its models."""
    from warehouse.private_home import PRIVATE_UMASK, close_to_others  # noqa: PLC0415
    from warehouse.run_log import log_to_terminal  # noqa: PLC0415

    context.obj = os.umask(PRIVATE_UMASK)
    # the command says what is wrong with a setting, unless only its help is asked for
    with suppress(SettingsError):
        settings = read_settings()
        prepare_environment(settings)
        close_to_others(settings.home)
        log_to_terminal(settings)
