"""The alert rules: promtool tests them, and they fit the rules of the warehouse."""

from __future__ import annotations

import csv
import re
from typing import Any

import pytest
import yaml

from monitoring.metrics.queries import PARTS, PREFIX
from monitoring.prometheus.next_steps import fill_next_steps
from tests.monitoring.metrics.programs import RULES, promtool
from warehouse.settings import PROJECT_ROOT

ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}


METRICS = {name for part in PARTS for name in part.metrics} | {
    "up",
    "build_info",
    "scrape_part_success",
    "scrape_part_duration_seconds",
    "scrape_duration_seconds",
}


def seed() -> dict[str, dict[str, str]]:
    """The rules by which the warehouse finds what is wrong."""
    with (PROJECT_ROOT / "seeds" / "rule_thresholds.csv").open(newline="") as file:
        return {row["rule_name"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", RULES / "prometheus.yml"),
        ("check", "rules", RULES / "alerts.yml"),
        ("test", "rules", RULES / "alerts.test.yml"),
    ],
    ids=lambda arguments: " ".join(map(str, arguments[:2])),
)
def test_promtool_is_content(arguments: tuple[Any, ...]) -> None:
    outcome = promtool(*arguments)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "WARNING" not in outcome.stdout + outcome.stderr


def test_every_alert_is_seen_firing_by_a_test() -> None:
    tested = (RULES / "alerts.test.yml").read_text()
    firing = set(re.findall(r'alertname="(\w+)"', tested))
    firing |= {
        test["alertname"]
        for group in yaml.safe_load(tested)["tests"]
        for test in group.get("alert_rule_test", [])
        if test.get("exp_alerts")
    }
    assert firing == set(ALERTS)


def test_every_rule_of_the_warehouse_has_its_alert_with_the_same_next_step() -> None:
    actions = {
        rule["annotations"]["runbook"].partition("#")[2]: rule["annotations"]["action"]
        for rule in ALERTS.values()
    }
    for name, rule in seed().items():
        assert actions[name] == rule["next_step"], "python -m monitoring.prometheus.next_steps"


def test_the_next_steps_are_written_from_the_seed() -> None:
    text = (RULES / "alerts.yml").read_text()
    assert fill_next_steps(text) == text
    step = seed()["data_stale"]["next_step"]
    assert fill_next_steps(text.replace(step, "Wait and see.")) == text


def test_alerts_name_metrics_that_exist() -> None:
    for rule in ALERTS.values():
        text = rule["expr"] + rule["annotations"]["description"]
        assert set(re.findall(rf"\b{PREFIX}(\w+)", text)) <= METRICS
        for named in re.findall(r'rule="(\w+)"', rule["expr"]):
            assert named in seed()


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_it_is_and_what_to_do(alert: str) -> None:
    annotations = ALERTS[alert]["annotations"]
    assert set(annotations) == {"summary", "description", "action", "runbook"}
    page, _, anchor = annotations["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (PROJECT_ROOT / page).read_text(), re.MULTILINE)
    # as GitHub makes anchors of headings
    assert anchor in {
        re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings
    }


def test_the_documentation_lists_every_metric() -> None:
    page = (PROJECT_ROOT / "docs" / "monitoring.md").read_text()
    table = page.partition("| metrics, after `listenhouse_` |")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in table.splitlines()[2:]))
    assert set(named) == METRICS
    assert len(set(named)) == len(named)
