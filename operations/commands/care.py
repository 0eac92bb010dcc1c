"""What a person does to the data: `withdraw`, `redate`, `prune`, `vacuum`, `grant`, `forget`."""

from __future__ import annotations

import sys

import click

from operations.commands.help import examples
from operations.commands.signals import end_on_sigterm
from warehouse.settings import read_settings


@click.command(epilog=examples('listenhouse withdraw --reason "half of the tracks were gone"'))
@click.argument("crawl_id", required=False)
@click.option("--reason", default="", help="Why; kept in the trace.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def withdraw(crawl_id: str | None, reason: str, yes: bool) -> None:
    """Take back the last crawl, or CRAWL_ID and all after it."""
    from ingestion.withdrawal_command import run_withdrawal  # noqa: PLC0415

    if not run_withdrawal(read_settings(), crawl_id, reason, agreed=yes):
        sys.exit(1)


@click.command(epilog=examples("listenhouse redate"))
@click.option("--yes", is_flag=True, help="Do not ask.")
def redate(yes: bool) -> None:
    """Set back what a clock that ran ahead left in the future; nothing is lost."""
    from operations.redate_command import run_redate  # noqa: PLC0415

    if not run_redate(read_settings(), agreed=yes):
        sys.exit(1)


@click.command(epilog=examples("listenhouse prune --yes"))
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(yes: bool) -> None:
    """Delete what is older than its retention (LISTENHOUSE_KEEP_…); landing has none."""
    from operations.prune_command import run_prune  # noqa: PLC0415

    if not run_prune(read_settings(), agreed=yes):
        sys.exit(1)


@click.command(epilog=examples("listenhouse vacuum"))
def vacuum() -> None:
    """Vacuum and analyze the warehouse, while no run is under way."""
    from operations.vacuum import run_vacuum  # noqa: PLC0415

    end_on_sigterm()
    click.echo(f"Vacuumed and analyzed in {run_vacuum(read_settings()):.1f} s.")


@click.command(epilog=examples("listenhouse grant", "listenhouse grant reader house_analyst"))
@click.argument("role", required=False)
@click.argument("login", required=False)
def grant(role: str | None, login: str | None) -> None:
    """Create the group roles and their rights; with ROLE LOGIN: let a login act as one."""
    from operations.grant_command import run_grant  # noqa: PLC0415

    run_grant(read_settings(), role, login)


@click.command(
    epilog=examples("listenhouse forget 24101", "listenhouse forget --source spotify me")
)
@click.argument("user_id")
@click.option("--source", default="moovitamix", show_default=True, help="Where they are a user.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(user_id: str, source: str, yes: bool) -> None:
    """Erase a person from everything, for ever. USER_ID is the source's; - reads it from stdin."""
    from operations.erasure.forget_command import run_forget  # noqa: PLC0415

    end_on_sigterm()
    # a process list shows arguments to everybody
    given = sys.stdin.readline().strip() if user_id == "-" else user_id
    if not run_forget(read_settings(), source, given, agreed=yes):
        sys.exit(1)
