"""The lakehouse: `lake publish`, `tables`, `history`, `rollback`, `verify`."""

from __future__ import annotations

import sys

import click

from operations.commands.help import WholeHelpGroup, examples
from operations.commands.signals import end_on_sigterm
from warehouse.settings import read_settings


@click.group(cls=WholeHelpGroup)
def lake() -> None:
    """The lakehouse: marts and landing as Iceberg tables, for tools of all kinds."""


@lake.command(epilog=examples("listenhouse lake publish"))
@click.option("--whole", is_flag=True, help="Replace every table, and forget the tags before.")
def publish(whole: bool) -> None:
    """Bring what changed since the lake was published; a run does so by itself."""
    from operations.lakehouse import run_publish  # noqa: PLC0415

    end_on_sigterm()
    run_publish(read_settings(), whole=whole)


@lake.command(epilog=examples("listenhouse lake tables"))
def tables() -> None:
    """List the tables: rows, files, size."""
    from operations.lakehouse import print_tables  # noqa: PLC0415

    print_tables(read_settings())


@lake.command(epilog=examples("listenhouse lake history"))
def history() -> None:
    """List the publications that are kept, by their tags."""
    from operations.lakehouse import print_history  # noqa: PLC0415

    print_history(read_settings())


@lake.command(epilog=examples("listenhouse lake rollback as_of_20261130_101440"))
@click.argument("tag")
def rollback(tag: str) -> None:
    """Set all tables back to TAG, until the lake is published again."""
    from operations.lakehouse import run_rollback  # noqa: PLC0415

    end_on_sigterm()
    run_rollback(read_settings(), tag)


@lake.command(epilog=examples("listenhouse lake verify"))
def verify() -> None:
    """Compare all rows with PostgreSQL; exits with 1 when a table differs."""
    from operations.lakehouse import run_verify  # noqa: PLC0415

    if not run_verify(read_settings()):
        sys.exit(1)
