"""What a person sees of granting: which roles there are, and what to do next.

In: settings, perhaps a role and a login. Out: roles with their rights, and lines on the terminal.
"""

from __future__ import annotations

import click

from operations.roles import ROLES, grant, grant_login
from warehouse.database import connect
from warehouse.errors import SettingsError
from warehouse.run_lock import hold_run_lock
from warehouse.settings import Settings


def run_grant(settings: Settings, role: str | None, login: str | None) -> None:
    """Grants, and says what was granted.

    Args:
        settings: Which warehouse, by a user that may create roles.
        role: A role that a login is to act as; None to make the roles.
        login: That login.

    Raises:
        ListenhouseError: Something a person has to act on; nothing is changed.
    """
    if role is None:
        with hold_run_lock(settings) as lock:
            granted = grant(settings, lock)
        for name in granted.roles:
            click.echo(f"{name}{' (new)' if name in granted.created else ''}")
        if granted.moved:
            click.echo(f"{granted.moved:,} tables and views belong to their role now.")
        if not granted.closed:
            click.echo(
                "Every login can make functions and large objects in the database still, which "
                "only a superuser can forbid: run this once as one."
            )
        click.echo("Let a login act as one of them: `listenhouse grant loader LOGIN`.")
        return
    names = [known.name for known in ROLES]
    if role not in names or login is None:
        raise SettingsError(
            f"`listenhouse grant {role}` names no role and login: give one of {', '.join(names)}, "
            "and the name of a login after it."
        )
    with connect(settings, "listenhouse grant") as connection:
        grant_login(settings, connection, role, login)
    click.echo(f"The login {login} acts as {role} in this warehouse from its next session on.")
