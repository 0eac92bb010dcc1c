"""What a person does to the data: `withdraw`, `redate`, `prune`, `vacuum`, `grant`, `forget`."""

from __future__ import annotations

import sys

import click

from operations.commands.help import examples
from operations.commands.signals import end_on_sigterm
from warehouse.settings import read_settings


@click.command(epilog=examples('listenhouse withdraw --reason "half of the tracks were gone"'))
@click.argument("crawl_id", required=False)
@click.option("--reason", default="", help="The reason, which is recorded.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def withdraw(crawl_id: str | None, reason: str, yes: bool) -> None:
    """Withdraw the last crawl, or CRAWL_ID and all later ones."""
    from ingestion.withdrawal_command import run_withdrawal  # noqa: PLC0415

    if not run_withdrawal(read_settings(), crawl_id, reason, agreed=yes):
        sys.exit(1)


@click.command(epilog=examples("listenhouse redate"))
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def redate(yes: bool) -> None:
    """Move crawls that a fast clock dated in the future back to now; nothing is lost."""
    from operations.redate_command import run_redate  # noqa: PLC0415

    if not run_redate(read_settings(), agreed=yes):
        sys.exit(1)


@click.command(epilog=examples("listenhouse prune --yes"))
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def prune(yes: bool) -> None:
    """Delete what is past its retention (LISTENHOUSE_KEEP_…); landing is kept for ever."""
    from operations.prune_command import run_prune  # noqa: PLC0415

    if not run_prune(read_settings(), agreed=yes):
        sys.exit(1)


@click.command(epilog=examples("listenhouse vacuum"))
def vacuum() -> None:
    """Vacuum and analyze the warehouse, while no run is in progress."""
    from operations.vacuum import run_vacuum  # noqa: PLC0415

    end_on_sigterm()
    click.echo(f"Vacuumed and analyzed in {run_vacuum(read_settings()):.1f} s.")


@click.command(epilog=examples("listenhouse grant", "listenhouse grant reader house_analyst"))
@click.argument("role", required=False)
@click.argument("login", required=False)
def grant(role: str | None, login: str | None) -> None:
    """Create the group roles and their privileges; with ROLE LOGIN, make a login a member."""
    from operations.grant_command import run_grant  # noqa: PLC0415

    run_grant(read_settings(), role, login)


@click.command(
    epilog=examples("listenhouse forget 56774", "listenhouse forget --source spotify me")
)
@click.argument("user_id")
@click.option(
    "--source", default="moovitamix", show_default=True, help="The source of the user id."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def forget(user_id: str, source: str, yes: bool) -> None:
    """Erase a person from all data, for good. USER_ID is the source's id; - reads it from stdin."""
    from operations.erasure.forget_command import run_forget  # noqa: PLC0415

    end_on_sigterm()
    # a process list shows arguments to everybody
    given = sys.stdin.readline().strip() if user_id == "-" else user_id
    if not run_forget(read_settings(), source, given, agreed=yes):
        sys.exit(1)
