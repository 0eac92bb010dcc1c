"""Listenhouse as a dlt plug-in, found through the entry point group `dlt`.

It gives dlt's commands their context (state below `.listenhouse/`, the warehouse as
destination) and adds `dlt pipeline listen_history run` and `dlt pipeline spotify_export run`;
`info`, `trace`, `show` and `schema` are dlt's own. Where `show` lacks a package, it says how to
install what it needs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dlt.common.configuration import plugins
from dlt.common.configuration.plugins import SupportsCliCommand
from dlt.common.configuration.providers import ConfigProvider, CustomLoaderDocProvider
from dlt.common.runtime.run_context import RunContext

from ingestion import PIPELINE
from ingestion.sources import spotify
from warehouse.errors import INTERRUPTED, ListenhouseError, SettingsError, full_disk
from warehouse.process_environment import prepare_environment
from warehouse.settings import Settings, read_settings


class ListenhouseRunContext(RunContext):
    """Where dlt finds state, destination and settings of Listenhouse."""

    @property
    def data_dir(self) -> str:
        """Folder of pipeline state, packages and traces."""
        return str(read_settings().dlt_directory)

    def initial_providers(self) -> list[ConfigProvider]:
        """Dlt's own sources of configuration, then Listenhouse's settings."""
        return [
            *super().initial_providers(),
            CustomLoaderDocProvider(
                "Listenhouse settings", lambda: _configuration(read_settings())
            ),
        ]


@plugins.hookimpl(specname="plug_run_context")
def plug_run_context(
    run_dir: str | None,
    runtime_kwargs: Mapping[str, Any] | None,  # noqa: ARG001 (dlt's hook)
) -> RunContext:
    """Gives dlt the context of Listenhouse."""
    try:
        prepare_environment(read_settings())
    except SettingsError as error:
        # dlt would show a warning about a broken plug-in and go on without it
        sys.exit(str(error))
    return ListenhouseRunContext(run_dir)


@plugins.hookimpl(specname="plug_cli")
def plug_run_command(host: str) -> type[SupportsCliCommand] | None:
    """Adds the command `run` to `dlt pipeline`."""
    return RunCommand if host == "dlt" else None


@plugins.hookimpl(specname="plug_cli")
def plug_pipeline_command(host: str) -> type[SupportsCliCommand] | None:
    """Puts a check before `dlt pipeline NAME show`."""
    if host != "dlt":
        return None
    # imported late: dlt's commands are what asks for this hook
    from dlt._workspace.cli.commands import PipelineCommand  # noqa: PLC0415

    class CheckedPipelineCommand(PipelineCommand):
        """dlt's own; it alone would say which package is missing, and exit as if it had worked."""

        def execute(self, args: argparse.Namespace) -> None:
            """Runs the operation; exits with 1 where `show` lacks a package."""
            if args.operation == "show" and (missing := _missing_for_dashboard()):
                sys.exit(
                    f"dlt's dashboard needs {', '.join(missing)}, not installed: run `make "
                    "dlt-dashboard`, or `pip install 'listenhouse[dashboard]'`. The package dlthub "
                    "has its own licence, the dltHub EULA."
                )
            super().execute(args)

    return CheckedPipelineCommand


def _missing_for_dashboard() -> list[str]:
    """Packages of the extra `dashboard` that are not installed."""
    modules = {"dlthub": "dlthub", "ibis": "ibis-framework", "marimo": "marimo"}
    return [package for module, package in modules.items() if find_spec(module) is None]


class RunCommand(SupportsCliCommand):
    """`dlt pipeline NAME run`: one load, or one import."""

    command = "run"
    parent = "pipeline"
    help_string = "Crawls the API completely and lands what changed, or imports an export"
    description = f"""
{PIPELINE}: crawls every endpoint of the API, proves that nothing is missing, and merges what
changed into landing, where every version is kept. Nothing becomes visible unless all of it does.

{spotify.PIPELINE}: lands the events of an extended streaming history, or of the account data, that
are not there yet.
"""
    docs_url = None

    def configure_parser(self, parser: argparse.ArgumentParser) -> None:
        """Declares the options."""
        parser.add_argument(
            "--accept-shrink",
            action="store_true",
            help=f"{PIPELINE}: land the crawl even when the API holds far less than before, or "
            "other keys",
        )
        parser.add_argument(
            "--export",
            type=Path,
            metavar="PATH",
            help=f"{spotify.PIPELINE}: folder, zip archive or file of the export",
        )
        parser.add_argument(
            "--user",
            metavar="ID",
            help=f"{spotify.PIPELINE}: whose it is, an id that names nobody: it is in the marts",
        )

    def execute(self, args: argparse.Namespace) -> None:
        """Runs one load; exits with 1 where a person has to act, 75 where another run is on."""
        # imported late: dlt's other commands need none of it
        from ingestion.load_command import run_load  # noqa: PLC0415
        from ingestion.sources.spotify.import_command import run_import  # noqa: PLC0415
        from warehouse.private_home import PRIVATE_UMASK, close_to_others  # noqa: PLC0415
        from warehouse.run_log import log_to_terminal  # noqa: PLC0415

        os.umask(PRIVATE_UMASK)
        name = getattr(args, "pipeline_name", None) or PIPELINE
        if problem := _misused(name, args):
            sys.exit(problem)
        try:
            settings = read_settings()
            close_to_others(settings.home)
            log_to_terminal(settings)
            if name == PIPELINE:
                run_load(settings, accept_shrink=args.accept_shrink)
            else:
                run_import(settings, args.export, args.user)
        except (ListenhouseError, OSError) as caught:
            error = full_disk(caught) if isinstance(caught, OSError) else caught
            # dlt takes the flag out of the arguments before it calls
            if error is None or "--debug" in sys.argv:
                raise
            print(error, file=sys.stderr)  # noqa: T201 (a command's message)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            print(  # noqa: T201 (a command's message)
                "Interrupted: nothing of it is visible unless it was committed already. Run again "
                "for a complete one.",
                file=sys.stderr,
            )
            sys.exit(INTERRUPTED)


def _misused(name: str, args: argparse.Namespace) -> str | None:
    """What is wrong with the command, None where nothing is."""
    if name == PIPELINE:
        if args.export or args.user:
            return f"--export and --user are of `dlt pipeline {spotify.PIPELINE} run`."
    elif name != spotify.PIPELINE:
        return (
            f"There is no pipeline {name!r} to run here: use `dlt pipeline {PIPELINE} run` or "
            f"`dlt pipeline {spotify.PIPELINE} run`."
        )
    elif not (args.export and (args.user or "").strip()):
        return (
            "An import needs the export and whose it is: `dlt pipeline "
            f"{spotify.PIPELINE} run --export PATH --user ID`."
        )
    elif "@" in args.user:
        return "--user is an id, not an address: the marts have it, and they name nobody."
    elif args.accept_shrink:
        return f"--accept-shrink is of `dlt pipeline {PIPELINE} run`."
    return None


def _configuration(settings: Settings) -> dict[str, Any]:
    """What Listenhouse decides for dlt; the environment and dlt's files go first."""
    # it imports dlt's destinations, which ask for what is being made here
    from ingestion.crawl.credentials import command_credentials  # noqa: PLC0415

    return {
        "runtime": {
            "dlthub_telemetry": False,
            # a failed job is raised, with its cause; dlt logs it with a traceback per try
            "log_level": "CRITICAL",
        },
        "load": {
            # packages and staging tables would grow for ever
            "delete_completed_jobs": True,
            "truncate_staging_dataset": True,
            # no second try on a new connection: the lock may have gone with the old one
            "raise_on_max_retries": 1,
            # each COPY under way holds its file's rows in memory
            "workers": 2,
        },
        # 2.6M rows in one file per table took 814 MB, in files of this size 432 MB
        "data_writer": {"file_max_items": 100_000},
        "destination": {
            "postgres": {"credentials": command_credentials(settings)},
        },
    }
