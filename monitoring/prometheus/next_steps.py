"""Writes the seed's next steps into the alert rules: `python -m monitoring.prometheus.next_steps`.

In: `seeds/rule_thresholds.csv`, where each rule's next step is at home, and `alerts.yml`. Out: the
latter, whose `action` of each rule is that of the seed.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from monitoring.rule_thresholds import read_rules

FILE = Path(__file__).parent / "alerts.yml"

_INDENT = " " * 12
_WIDTH = 100
_ACTION = re.compile(
    r"(?P<before>          action: >-\n)(?P<text>(?:            .+\n)+)"
    r"(?P<after>          runbook: docs/runbook\.md#(?P<rule>\w+)\n)"
)


def main() -> None:
    """Writes the file."""
    FILE.write_text(fill_next_steps(FILE.read_text(encoding="utf-8")), encoding="utf-8")


def fill_next_steps(alerts: str) -> str:
    """Fills the next steps in.

    Args:
        alerts: The alert rules, as YAML.

    Returns:
        The same, with the seed's next step as the action of each alert that is of a rule.
    """
    rules = read_rules()

    def fill(action: re.Match[str]) -> str:
        rule = rules.get(action["rule"])
        if rule is None:
            return action[0]
        lines = textwrap.fill(
            rule["next_step"],
            _WIDTH,
            initial_indent=_INDENT,
            subsequent_indent=_INDENT,
            break_on_hyphens=False,
        )
        return f"{action['before']}{lines}\n{action['after']}"

    return _ACTION.sub(fill, alerts)


if __name__ == "__main__":
    main()
