"""`make programs` before package managers that note what they are asked for, and say so."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import describe
from warehouse.settings import PROJECT_ROOT

UNATTENDED = "env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1"
APT = "apt-get install -y {} -q -o DPkg::Lock::Timeout=300 --no-install-recommends"
BRINGS = {"prometheus": ["promtool", "prometheus"], "jq": ["jq"]}


class Machine:
    """A folder that is all of the PATH, but for the tests' own environment."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bin"
        self.path.mkdir()
        self._noted = folder / "noted"

    def add(self, name: str, script: str = "") -> None:
        """Adds a program that notes how it is called, and runs a script."""
        file = self.path / name
        file.write_text(f'#!/bin/sh\necho "{name} $*" >> {self._noted}\n{script}\n')
        file.chmod(0o755)

    def add_person(self, number: int, *, sudo: bool = False) -> None:
        """Adds who one is, and whether sudo works without a password."""
        self.add("id", f"echo {number}")
        self.add("sudo", 'shift; exec "$@"' if sudo else "echo a password is required; exit 1")

    def add_manager(self, name: str, *, fails_on: str = "nothing") -> None:
        """Adds a package manager that brings what it is asked for, but for one package."""
        cases = [f'*{fails_on}*) echo "E: no {fails_on} today"; exit 100 ;;']
        for package, found in BRINGS.items():
            copies = "; ".join(f"/bin/cp {self.path}/curl {self.path}/{one}" for one in found)
            cases.append(f"*{package}*) {copies} ;;")
        self.add(name, f'case "$*" in {" ".join(cases)} esac')

    @property
    def noted(self) -> list[str]:
        """What was called, in order, but for `id`."""
        lines = self._noted.read_text().splitlines()
        return [line for line in lines if not line.startswith("id ")]

    def make_programs(self, **variables: str) -> tuple[int, list[str]]:
        """Runs the target; returns its exit code, and what it says."""
        outcome = subprocess.run(
            # -o: the environment is the one that the tests run in
            ["make", "-o", ".venv/dev", "programs"],  # noqa: S607
            cwd=PROJECT_ROOT,
            env={"PATH": f"{self.path}:{Path(sys.executable).parent}", "HOME": str(self.path)}
            | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return outcome.returncode, outcome.stdout.splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without Prometheus and jq."""
    machine = Machine(tmp_path)
    for name in ("env", "make", "true"):
        (machine.path / name).symlink_to(str(shutil.which(name)))
    # Chromium is there, or Ubuntu would really download one
    for name in ("chromium", "curl", "systemd-analyze"):
        machine.add(name)
    return machine


def test_root_gets_what_is_missing_from_fresh_lists(machine: Machine) -> None:
    machine.add_person(0)
    machine.add_manager("apt-get")
    machine.add("systemctl")

    said = machine.make_programs()

    assert said == (0, ["Installing promtool, prometheus and jq with apt-get …"])
    assert machine.noted == [
        "apt-get update -q",
        APT.format("prometheus"),
        # or a test of the pages would leave a service behind
        "systemctl disable --now prometheus",
        APT.format("jq"),
    ]
    # nothing is left to do, or to say
    assert machine.make_programs(CI="true") == (0, [])
    assert len(machine.noted) == 4


def test_sudo_without_a_password_does_as_well(machine: Machine) -> None:
    machine.add_person(1000, sudo=True)
    machine.add_manager("apt-get")

    assert machine.make_programs()[0] == 0

    assert machine.noted[:4] == [
        "sudo -n true",
        f"sudo -n {UNATTENDED} apt-get update -q",
        "apt-get update -q",
        f"sudo -n {UNATTENDED} {APT.format('prometheus')}",
    ]


@pytest.mark.parametrize(
    ("manager", "asked"),
    [
        ("dnf", ["dnf install -y golang-github-prometheus", "dnf install -y jq"]),
        ("brew", ["brew install prometheus", "brew install jq"]),
    ],
)
def test_other_systems_have_other_names(machine: Machine, manager: str, asked: list[str]) -> None:
    machine.add_person(1000, sudo=True)
    machine.add_manager(manager)

    assert machine.make_programs()[0] == 0

    assert [line for line in machine.noted if line.startswith(manager)] == asked


def test_who_may_not_install_is_told_the_command_and_goes_on(machine: Machine) -> None:
    machine.add_person(1000)
    machine.add_manager("apt-get")
    missing = "Missing: promtool, prometheus and jq."
    command = "To bring them: sudo apt-get install prometheus jq"

    said = machine.make_programs()
    in_ci = machine.make_programs(CI="true")

    assert said == (0, [f"{missing} The tests that need them are left out. {command}"])
    assert in_ci[0] != 0
    assert in_ci[1][0] == f"{missing} CI needs them. {command}"
    assert set(machine.noted) == {"sudo -n true"}


def test_one_that_cannot_be_installed_keeps_no_other_from_it(machine: Machine) -> None:
    machine.add_person(0)
    machine.add_manager("apt-get", fails_on="prometheus")

    code, said = machine.make_programs()

    assert code == 0
    assert said[1:] == [
        "promtool and prometheus could not be installed: E: no prometheus today",
        "Missing: promtool and prometheus. The tests that need them are left out."
        " To bring them: apt-get install prometheus",
    ]
    assert (machine.path / "jq").exists()


def test_a_machine_without_a_package_manager_of_ours_goes_on(machine: Machine) -> None:
    assert machine.make_programs() == (
        0,
        ["Missing: promtool, prometheus and jq. The tests that need them are left out."],
    )
    assert not machine.path.joinpath("jq").exists()


def test_ubuntu_gets_a_browser_that_is_no_snap(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.add_person(1000)
    machine.add_manager("apt-get")
    machine.path.joinpath("chromium").unlink()
    monkeypatch.setenv("PATH", str(machine.path))
    monkeypatch.setattr(Path, "home", lambda: machine.path)
    commands = {}
    for name in ("debian", "ubuntu"):
        monkeypatch.setattr(platform, "freedesktop_os_release", lambda name=name: {"ID": name})
        commands[name] = describe({"Chromium is missing": 2}).partition(" To bring them: ")[2]

    assert commands == {
        "debian": "sudo apt-get install chromium fonts-liberation prometheus jq",
        "ubuntu": ".venv/bin/playwright install --with-deps --no-shell chromium"
        " && sudo apt-get install prometheus jq",
    }


@pytest.mark.parametrize(("ci", "workers"), [("true", "1"), ("", "0")])
def test_a_run_ends_with_what_did_not_run_and_in_ci_it_fails(
    machine: Machine, tmp_path: Path, ci: str, workers: str
) -> None:
    (tmp_path / "test_two.py").write_text(
        "from tests.programs import find, find_all_in\n"
        "def test_promtool(): find('promtool')\n"
        "def test_one_that_runs(): pass\n"
        "def test_a_script(): find_all_in('page=$(jq .a log)')\n"
    )
    machine.add_person(1000)
    machine.add_manager("apt-get")

    outcome = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.programs", "-p", "no:cacheprovider"),
            *("-n", workers, f"--rootdir={tmp_path}", str(tmp_path)),
        ],
        cwd=PROJECT_ROOT,
        env={"PATH": str(machine.path), "HOME": str(machine.path), "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "1 passed, 2 skipped" in outcome.stdout
    assert outcome.stdout.splitlines()[-1] == (
        f"Did not run{', which is a failure in CI' if ci else ''}: 1 test (promtool is missing),"
        " 1 test (jq is missing). To bring them: sudo apt-get install prometheus jq"
    )
    assert outcome.returncode == (1 if ci else 0)
