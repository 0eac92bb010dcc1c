"""The commands of the environment, run as a person runs them.

What they import takes seconds, so that Python's are forked from a process that has imported it:
the entry point, the environment and the file descriptors are the command's own. `run_script` runs
the installed script itself.
"""

from __future__ import annotations

import atexit
import logging
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from importlib.metadata import entry_points
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.forked import fork
from warehouse.settings import PROJECT_ROOT

DEFAULTS = {
    "COLUMNS": "200",
    # takes seconds of every run, and has tests of its own
    "LISTENHOUSE_RECOMMEND": "no",
}
"""Variables of every command, unless a test sets them otherwise."""

_SCRIPTS = Path(sys.executable).parent


def run_command(
    *command: str, environment: Mapping[str, str], timeout: float = 1800
) -> subprocess.CompletedProcess[str]:
    """Runs an installed command from the repository's root.

    Args:
        command: `listenhouse`, `dlt`, `dbt` or `python -m` with a module, and its arguments.
        environment: Variables on top of those of this process.
        timeout: Longest time it may take, in seconds: when it hangs, however busy the machine.
    """
    with tempfile.TemporaryDirectory() as folder:
        process = start_command(*command, environment=environment, folder=Path(folder))
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(command, timeout)
        stdout, stderr = (Path(folder, name).read_text() for name in ("stdout", "stderr"))
    return subprocess.CompletedProcess(command, process.exitcode, stdout, stderr)


def start_command(*command: str, environment: Mapping[str, str], folder: Path) -> ForkServerProcess:
    """Starts what `run_command` runs.

    Args:
        command: As there.
        environment: As there.
        folder: Where the files `stdout` and `stderr` are written: files, as a service that the
            command leaves behind would keep a pipe open.
    """
    variables = os.environ | DEFAULTS | dict(environment)
    umask = os.umask(0)
    os.umask(umask)
    return fork(_enter, command, variables, umask, str(folder / "stdout"), str(folder / "stderr"))


def run_script(
    *command: str, environment: Mapping[str, str], timeout: float = 1800
) -> subprocess.CompletedProcess[str]:
    """Runs an installed script as `run_command` does, but in a Python that starts from nothing.

    Args:
        command: Name of the script, and its arguments.
        environment: Variables on top of those of this process.
        timeout: Longest time it may take, in seconds.
    """
    return subprocess.run(
        [str(_SCRIPTS / command[0]), *command[1:]],
        cwd=PROJECT_ROOT,
        env=os.environ | DEFAULTS | dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _enter(command: tuple[str, ...], variables: dict[str, str], umask: int, *said: str) -> None:
    """Runs in the new process."""
    for descriptor, file in enumerate(said, start=1):
        output = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, descriptor)
        os.close(output)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    os.chdir(PROJECT_ROOT)
    os.umask(umask)
    # a library of dbt's sets it up when it is imported; the commands do before
    logging.root.handlers.clear()
    # a process that was started in the background has it ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = _execute(*command)
    # as the interpreter ends: threads, exit functions, output
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _execute(name: str, *arguments: str) -> int:
    """Calls the entry point; returns the exit code that the interpreter would end with."""
    try:
        if name == "python":
            dash_m, module, *arguments_of_module = arguments
            assert dash_m == "-m"
            sys.argv = [module, *arguments_of_module]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        else:
            sys.argv = [str(_SCRIPTS / name), *arguments]
            (script,) = entry_points(group="console_scripts", name=name)
            # as the script that pip installs does
            sys.exit(script.load()())
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)  # noqa: T201 (as the interpreter)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
