"""What libraries in this process read from the environment themselves, said in this one place.

In: settings. Out: the environment of this process and of those that it starts. A command calls this
as it begins; nothing else writes a setting into the environment.
"""

from __future__ import annotations

import os

from warehouse.settings import Settings

# libpq puts these last into what a session begins with, where they would undo what ours pin
_SESSION_VARIABLES = ("PGTZ", "PGDATESTYLE", "PGCLIENTENCODING")


def prepare_environment(settings: Settings) -> None:
    """Leaves libpq what our sessions pin, and tells dbt the URL, which it reads from no file.

    A lake is written in bounded memory: Arrow's own allocators keep what is freed, and files that
    are written side by side take as much each.
    """
    for name in _SESSION_VARIABLES:
        os.environ.pop(name, None)
    if settings.external_database_url:
        os.environ["LISTENHOUSE_DATABASE_URL"] = settings.external_database_url
    if settings.lake:
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
        os.environ.setdefault("PYICEBERG_MAX_WORKERS", "1")
