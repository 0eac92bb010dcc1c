"""Every alert that can fire has its entry in the runbook, and every entry its alert."""

from __future__ import annotations

import csv
import re

import yaml

from warehouse.settings import PROJECT_ROOT

RUNBOOK = "docs/runbook.md"


def entries() -> dict[str, str]:
    """The text of each entry, by its heading."""
    parts = re.split(r"^## (.+)\n", (PROJECT_ROOT / RUNBOOK).read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], map(str.strip, parts[2::2]), strict=True))


def rules() -> set[str]:
    """What the warehouse itself finds: a rule without a row in the seed is off."""
    with (PROJECT_ROOT / "seeds/rule_thresholds.csv").open(newline="") as file:
        return {row["rule_name"] for row in csv.DictReader(file)}


def alerts() -> dict[str, str]:
    """Where Prometheus' alerts say that their entry is."""
    groups = yaml.safe_load((PROJECT_ROOT / "monitoring/prometheus/alerts.yml").read_text())
    return {
        rule["alert"]: rule["annotations"]["runbook"]
        for group in groups["groups"]
        for rule in group["rules"]
    }


def _anchor(heading: str) -> str:
    return heading.lower().replace(" ", "-")


def test_every_rule_and_every_alert_has_its_entry_and_no_entry_is_of_none() -> None:
    linked = {link.removeprefix(f"{RUNBOOK}#") for link in alerts().values()}
    assert {_anchor(heading) for heading in entries()} == rules() | linked


def test_no_two_alerts_share_an_entry() -> None:
    assert len(set(alerts().values())) == len(alerts())


def test_every_entry_says_something() -> None:
    for heading, text in entries().items():
        assert len(text.split()) > 10, heading
