"""The programs that tests need and pip does not bring.

In: the PATH and the machine's package manager. Out: the path of a program; `make programs`, which
installs what is missing where it may; the last line of a test run, which names what did not run
and the command that brings it. In CI what did not run is a failure.

In Python and not in the shell, as one table says what a program is called, what package it is in
and, with both, what to tell people.
"""

# ruff: noqa: T201 (a command prints)

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

Command = tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """A program that some tests run.

    Attributes:
        name: What people call it.
        commands: What it is called on the PATH; one of them is enough.
        packages: What brings it, by package manager.
        elsewhere: Where else it can be, as a pattern below the folder of the user.
    """

    name: str
    commands: Sequence[str]
    packages: Mapping[str, Sequence[str]]
    elsewhere: str = ""

    @property
    def path(self) -> str | None:
        """Where it is, if it is anywhere."""
        places = sorted(Path.home().glob(self.elsewhere)) if self.elsewhere else []
        candidates = (*self.commands, *map(str, places))
        return next(filter(None, map(shutil.which, candidates)), None)


_PROMETHEUS = {
    "apt-get": ["prometheus"],
    "dnf": ["golang-github-prometheus"],
    "brew": ["prometheus"],
}

PROGRAMS = {
    program.name: program
    for program in (
        Program(
            "Chromium",
            [
                *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
                *("chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
            ],
            {
                # it only recommends a font, and a page is not measured without one
                "apt-get": ["chromium", "fonts-liberation"],
                "dnf": ["chromium"],
                "brew": ["--cask", "google-chrome"],
            },
            # what playwright brings
            ".cache/ms-playwright/chromium-*/*/chrome",
        ),
        Program("promtool", ["promtool"], _PROMETHEUS),
        Program("prometheus", ["prometheus"], _PROMETHEUS),
        # the embedded server is built without ICU
        Program(
            "PostgreSQL's initdb",
            ["initdb", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")))],
            {"apt-get": ["postgresql"], "dnf": ["postgresql-server"], "brew": ["postgresql"]},
        ),
        Program("jq", ["jq"], {"apt-get": ["jq"], "dnf": ["jq"], "brew": ["jq"]}),
        Program("curl", ["curl"], {"apt-get": ["curl"], "dnf": ["curl"], "brew": ["curl"]}),
        Program(
            "systemd-analyze",
            ["systemd-analyze"],
            # there is none but on Linux
            {"apt-get": ["systemd"], "dnf": ["systemd"]},
        ),
    )
}

_INSTALL: dict[str, Command] = {
    "apt-get": ("apt-get", "install", "-y"),
    "dnf": ("dnf", "install", "-y"),
    "brew": ("brew", "install"),
}
_QUIETLY = ("-q", "-o", "DPkg::Lock::Timeout=300", "--no-install-recommends")
_UNATTENDED = ("env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1")
_PLAYWRIGHT = (".venv/bin/playwright", "install", "--with-deps", "--no-shell", "chromium")


def find(name: str) -> str:
    """The path of a program; a test without it is skipped.

    Args:
        name: One of `PROGRAMS`.
    """
    path = PROGRAMS[name].path
    if path is None:
        pytest.skip(f"{name} is missing")
    return path


def find_all_in(script: str) -> None:
    """Skips a test whose script calls a program that is missing.

    Args:
        script: Lines of a shell.
    """
    for name in PROGRAMS:
        # neither part of a path nor of a longer name
        if re.search(rf"(?<![\w./-]){name}(?![\w./-])", script):
            find(name)


def main() -> None:
    """Installs what is missing, where it may; in CI the machine has to have it all."""
    manager = _manager()
    wanted = [name for name in _missing() if _command(name, manager)]
    failures = []
    if wanted and _may_install(manager):
        print(f"Installing {_listed(wanted)} with {manager} …", file=sys.stderr)
        failures = _install(wanted, manager)
    still = _missing()
    if not still:
        return
    print(*failures, sep="\n", file=sys.stderr, end="\n" if failures else "")
    them = "it" if len(still) == 1 else "them"
    what = f"CI needs {them}." if in_ci() else f"The tests that need {them} are left out."
    print(f"Missing: {_listed(still)}. {what}{_advice(still)}", file=sys.stderr)
    sys.exit(1 if in_ci() else 0)


def in_ci() -> bool:
    """Whether this is a run where every test has to run."""
    return os.environ.get("CI", "").lower() in ("true", "1")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Ends a run with what did not run; nothing is printed after it."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped and in_ci() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    yield
    if reporter and skipped:
        reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
        reporter.write_line(describe(reasons))


def describe(reasons: Mapping[str, int]) -> str:
    """One line on what did not run.

    Args:
        reasons: How many tests did not run for each reason.
    """
    counts = ", ".join(
        f"{count} {'test' if count == 1 else 'tests'} ({reason})"
        for reason, count in reasons.items()
    )
    verdict = ", which is a failure in CI" if in_ci() else ""
    return f"Did not run{verdict}: {counts}.{_advice(_missing())}"


def _missing() -> list[str]:
    return [name for name, program in PROGRAMS.items() if program.path is None]


def _manager() -> str:
    return next(filter(shutil.which, _INSTALL), "")


def _may_install(manager: str) -> bool:
    if manager == "brew":
        # it refuses to run as root, and needs nobody's leave otherwise
        return not _is_root()
    return _is_root() or _run("sudo", "-n", "true").returncode == 0


def _is_root() -> bool:
    return _run("id", "-u").stdout.strip() == "0"


def _command(name: str, manager: str) -> Command | None:
    """What installs a program; None where nothing that we know does."""
    if manager not in PROGRAMS[name].packages:
        return None
    if name == "Chromium" and manager == "apt-get" and _is_ubuntu():
        # Ubuntu's package is a snap: no container installs it, and it reads none of our folders
        return _PLAYWRIGHT
    return (*_INSTALL[manager], *PROGRAMS[name].packages[manager])


def _is_ubuntu() -> bool:
    try:
        return platform.freedesktop_os_release()["ID"] == "ubuntu"
    except OSError:
        return False


def _install(names: Iterable[str], manager: str) -> list[str]:
    """Installs programs, each package for itself; says of which that failed, and why."""
    root = () if manager == "brew" or _is_root() else ("sudo", "-n")
    if manager == "apt-get":
        # old lists name packages that are no longer there; one that fails leaves the others
        _run(*root, *_UNATTENDED, "apt-get", "update", "-q")
    by_command: dict[Command, list[str]] = {}
    for name in names:
        if command := _command(name, manager):
            by_command.setdefault(command, []).append(name)
    failures = []
    for command, brought in by_command.items():
        if command[0] == "apt-get":
            outcome = _run(*root, *_UNATTENDED, *command, *_QUIETLY)
        elif command[0] == "dnf":
            outcome = _run(*root, *command)
        else:
            outcome = _run(*command)
        if outcome.returncode != 0:
            lines = outcome.stdout.split("\n")
            reason = next((line for line in reversed(lines) if line.strip()), "it says nothing")
            failures.append(f"{_listed(brought)} could not be installed: {reason.strip()}")
        elif "prometheus" in command and manager == "apt-get":
            # Debian starts it as a service, which nobody asked for
            _run(*root, "systemctl", "disable", "--now", "prometheus")
    return failures


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command that can ask nothing; one that is not there fails."""
    if shutil.which(command[0]) is None:
        return subprocess.CompletedProcess(command, 127, f"{command[0]} is missing")
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _advice(names: Iterable[str]) -> str:
    """The command that brings programs, for people; nothing where there is none."""
    manager = _manager()
    commands = dict.fromkeys(filter(None, (_command(name, manager) for name in names)))
    root = "" if manager == "brew" or _is_root() else "sudo "
    together: dict[str, str] = {}
    for command in commands:
        if command[:2] == (manager, "install"):
            packages = " ".join(word for word in command[2:] if word != "-y")
            kind = "cask" if "--cask" in command else "package"
            before = together.get(kind, f"{root}{manager} install")
            together[kind] = f"{before} {packages}"
        else:
            together["other"] = " ".join(command)
    return f" To bring them: {' && '.join(together.values())}" if together else ""


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


if __name__ == "__main__":
    main()
