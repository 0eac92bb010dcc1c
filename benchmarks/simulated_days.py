"""A warehouse and a world for a benchmark that goes through days: the first, 1 % changed, none.

In: an embedded server and a number of listens. Out: a new database with the variables that lead
commands to it, and the world that the simulator serves.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psycopg
from psycopg import sql

from simulator import Rates, WorldConfig
from warehouse.settings import Settings

DAYS = ("first", "1 %", "none")

_CHANGED_SHARE = 0.01
_LISTENS_PER_USER, _LISTENS_PER_TRACK = 20, 50


def make_database(settings: Settings, folder: Path, name: str) -> dict[str, str]:
    """Makes a database, and the environment of commands that use it.

    Args:
        settings: Of the server.
        folder: Where what commands write goes, by the name.
        name: The database's.
    """
    server = settings.database_url.rsplit("/", 1)[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "LISTENHOUSE_DATABASE_URL": f"{server}/{name}",
        "LISTENHOUSE_HOME": str(folder / name),
        "DBT_TARGET_PATH": str(folder / name / "target"),
        "DBT_LOG_PATH": str(folder / name / "logs"),
    }


def world_of(listens: int) -> WorldConfig:
    """A world with so many listens, in which 1 % changes from day to day."""
    return WorldConfig(
        users=max(10, listens // _LISTENS_PER_USER),
        tracks=max(10, listens // _LISTENS_PER_TRACK),
        listens=listens,
        rates=Rates.steady(_CHANGED_SHARE),
    )
