"""The change feed: `feed publish`, `status`, `replay`."""

from __future__ import annotations

import click

from operations.commands.help import WholeHelpGroup, examples
from operations.commands.signals import end_on_sigterm
from warehouse.settings import read_settings


@click.group(cls=WholeHelpGroup)
def feed() -> None:
    """The change feed: what crawls changed, and the newest lists, in Kafka topics."""


@feed.command(epilog=examples("listenhouse feed publish"))
def publish() -> None:
    """Publish what is committed and not published; a run does so by itself."""
    from operations.change_feed import run_publish  # noqa: PLC0415

    end_on_sigterm()
    run_publish(read_settings())


@feed.command(epilog=examples("listenhouse feed status"))
def status() -> None:
    """Show up to which crawl each stream is published, and what waits."""
    from operations.change_feed import print_status  # noqa: PLC0415

    print_status(read_settings())


@feed.command(
    epilog=examples(
        "listenhouse feed replay",
        "listenhouse feed replay --since 5f0c2c1e-8f0b-4d0c-9d57-3b0c9f0e",
    )
)
@click.option("--since", metavar="CRAWL", help="Id of the first crawl; all of them without it.")
def replay(since: str | None) -> None:
    """Publish crawls again, under the same message ids."""
    from operations.change_feed import run_replay  # noqa: PLC0415

    end_on_sigterm()
    run_replay(read_settings(), since)
