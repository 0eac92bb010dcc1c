"""The project as dbt parses it, which takes 7 s: parsed once, and pointed at each test's database.

Out: a manifest to hand to `dbtRunner`, or the file in which dbt itself looks for one.
"""

from __future__ import annotations

import pickle
import pprint
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any
from unittest import mock

from dbt.adapters.postgres.connections import PostgresCredentials
from dbt.artifacts.resources.base import FileHash
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from dbt.parser.manifest import extended_mashumaro_encoder
from dbt_common.helper_types import Port
from psycopg.conninfo import conninfo_to_dict

from tests.kept import PROJECT, kept
from warehouse.settings import PROJECT_ROOT

_ANY_URL = "postgresql://listenhouse@127.0.0.1:1/parsed"
"""dbt parses without a database."""


def parsed_project(url: str, target: str = "default") -> Manifest:
    """The manifest of the project without variables, on a database; a new one each time.

    dbt writes into a manifest what it compiles, so that two builds cannot share one.

    Args:
        url: The database.
        target: Of the project's profile.
    """
    manifest = Manifest(**pickle.loads(_pickled(target)))  # noqa: S301 (of our own making)
    database = conninfo_to_dict(url)["dbname"]
    for node in _of_the_database(manifest):
        quoted, others = f'"{node.database}".', node.relation_name
        node.database = database
        if others:
            node.relation_name = others.replace(quoted, f'"{database}".', 1)
    manifest.build_flat_graph()  # type: ignore[no-untyped-call]
    return manifest


def leave_parsed(target_path: Path, url: str) -> None:
    """Leaves the same where dbt keeps it between two runs, which then only looks for changes.

    Args:
        target_path: dbt's folder for what it makes.
        url: The database that dbt is going to be pointed at.
    """
    manifest = parsed_project(url)
    manifest.state_check.profile_hash = FileHash.from_contents(pprint.pformat(_connection(url)))
    target_path.mkdir(parents=True, exist_ok=True)
    file = target_path / "partial_parse.msgpack"
    file.write_bytes(manifest.to_msgpack(extended_mashumaro_encoder))


def _of_the_database(manifest: Manifest) -> Iterator[Any]:
    return chain(manifest.nodes.values(), manifest.sources.values(), *manifest.disabled.values())


def _connection(url: str) -> list[tuple[str, Any]]:
    """What dbt compares to know whether a manifest is of the same connection."""
    parts = conninfo_to_dict(url)
    credentials = PostgresCredentials(
        host=str(parts["host"]),
        user=str(parts["user"]),
        port=Port(int(str(parts["port"]))),
        password="",
        database=str(parts["dbname"]),
        schema="staging",
    )
    return sorted(credentials.connection_info())


@cache
def _pickled(target: str) -> bytes:
    folder = kept(f"manifest_{target}", PROJECT, partial(_parse, target))
    return (folder / "manifest.pickle").read_bytes()


def _parse(target: str, folder: Path) -> None:
    project = ("--project-dir", str(PROJECT_ROOT), "--profiles-dir", str(PROJECT_ROOT))
    with (
        tempfile.TemporaryDirectory() as written,
        mock.patch.dict("os.environ", {"LISTENHOUSE_DATABASE_URL": _ANY_URL}),
    ):
        result = dbtRunner().invoke(
            [
                *("--log-level", "none", "parse", "--no-partial-parse", *project),
                *("--target", target, "--target-path", written, "--log-path", written),
            ]
        )
    if not isinstance(result.result, Manifest):
        raise AssertionError(f"The project does not parse: {result.exception}")
    # dbt's own way to pickle it forgets a field; what begins with _ is looked up anew
    state = {
        field.name: getattr(result.result, field.name)
        for field in fields(Manifest)
        if not field.name.startswith("_") and field.name != "flat_graph"
    }
    (folder / "manifest.pickle").write_bytes(pickle.dumps(state))
