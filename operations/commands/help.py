"""What `--help` looks like: commands in sections, nothing cut off, examples at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click


class WholeHelpGroup(click.Group):
    """A group that lists its commands with their whole first sentence, in sections if any."""

    def __init__(
        self,
        *args: Any,
        sections: Mapping[str, Sequence[click.Command]] | None = None,
        **kwargs: Any,
    ) -> None:
        """Adds the commands of its sections.

        Args:
            *args: Of click's group.
            sections: The commands, by the heading that they stand under.
            **kwargs: Of click's group.
        """
        super().__init__(*args, **kwargs)
        self._sections = sections
        for commands in (sections or {}).values():
            for command in commands:
                self.add_command(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (click's)
        """Writes the commands; click's own cuts sentences off."""
        sections = self._sections or {"Commands": tuple(self.commands.values())}
        for heading, commands in sections.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [(str(one.name), one.get_short_help_str(limit=200)) for one in commands]
                )


def examples(*lines: str) -> str:
    """The end of a command's help.

    Args:
        *lines: What a person could type.
    """
    # click leaves lines behind this mark as they are
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))
