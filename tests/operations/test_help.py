"""What `--help` says, of the command and of each of its subcommands."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from operations.cli import main


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


@pytest.mark.parametrize("command", list(commands(main)), ids=" ".join)
def test_help_is_whole_and_has_examples(command: tuple[str, ...]) -> None:
    outcome = CliRunner().invoke(main, [*command, "-h"], terminal_width=80)
    assert outcome.exit_code == 0, outcome.output
    assert "..." not in outcome.output.replace("[ARGS]...", "")
    assert max(map(len, outcome.output.splitlines())) <= 80
    is_group = outcome.output.startswith(f"Usage: {' '.join(('main', *command))} [OPTIONS] COMMAND")
    assert (
        is_group
        or f"Examples:\n    listenhouse {' '.join(command)}" in outcome.output
        or (
            # another program takes what it prints
            f"$(listenhouse {' '.join(command)})" in outcome.output
        )
    )


def test_every_command_stands_in_one_section() -> None:
    listed = CliRunner().invoke(main, ["--help"]).output
    for name in main.commands:
        assert listed.count(f"\n  {name} ") == 1
