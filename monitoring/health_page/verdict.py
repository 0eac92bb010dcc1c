"""How the warehouse is: what is wrong now, how to take it, and what to do about it.

In: a `HealthData`. Out: a verdict of one word, findings by their next step, and the tone of each
status: `good`, `warn`, `bad`, or `none` where there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitoring import wording
from monitoring.health_page.data import FindingRow, HealthData, NodeHistory, NodeResult, Run

SIGNS = {"good": "✓", "warn": "!", "bad": "✕", "none": "–"}
"""What says the same as a colour."""

RUN_TONES = {"succeeded": "good", "running": "none", "interrupted": "warn"}
"""How the status of a run is to be taken; bad, unless it is here."""


@dataclass(frozen=True)
class Verdict:
    """How the warehouse is.

    Attributes:
        tone: good, warn, bad, or none where nothing can be said.
        word: The same in a word.
        sentence: And in a sentence.
    """

    tone: str
    word: str
    sentence: str


def judge(data: HealthData) -> Verdict:
    """Says how the warehouse is, by what is wrong now.

    Args:
        data: What is known.
    """
    findings = findings_of(data)
    critical = sum(severity_tone(each.severity) == "bad" for each in findings)
    if critical:
        rest = len(findings) - critical
        more = f", and {wording.counted(rest, 'warning')}" if rest else ""
        return Verdict("bad", "Trouble", f"{wording.counted(critical, 'critical finding')}{more}.")
    if findings:
        return Verdict(
            "warn", "Warnings", f"{wording.counted(len(findings), 'warning')}, nothing critical."
        )
    if not data.runs and data.landed_at is None:
        return Verdict("none", "Nothing yet", "No run is recorded yet.")
    if "rpt_findings" in data.missing:
        return Verdict("none", "Not judged yet", "The models that judge it are not built yet.")
    return Verdict("good", "Healthy", "Nothing is wrong.")


def findings_of(data: HealthData) -> Sequence[FindingRow]:
    """What is wrong now: before there is a model that says so, a last run that failed.

    Args:
        data: What is known.
    """
    if "rpt_findings" not in data.missing or not data.runs:
        return data.findings
    last = data.runs[-1]
    return [] if last.status in RUN_TONES else [_as_finding(last)]


def _as_finding(run: Run) -> FindingRow:
    where = f" at step {run.failed_step}" if run.failed_step else ""
    return FindingRow(
        rule_name="run_failed",
        subject=run.command,
        severity="critical",
        message=f"The last run {run.status}{where}: {run.message or 'it left no message'}",
        next_step="Fix the cause, then run `listenhouse run`.",
        run_id=run.run_id,
        found_at=run.started_at,
        is_event=False,
    )


def group_by_next_step(findings: Sequence[FindingRow]) -> dict[str, list[FindingRow]]:
    """Findings by what is to be done about them.

    Args:
        findings: The worst first, as their groups are then.
    """
    steps: dict[str, list[FindingRow]] = {}
    for finding in findings:
        steps.setdefault(finding.next_step, []).append(finding)
    return steps


def run_tone(run: Run) -> str:
    """How the status of a run is to be taken."""
    return RUN_TONES.get(run.status, "bad")


def severity_tone(severity: str | None) -> str:
    """How a severity is to be taken: bad, unless it is a warning."""
    return "warn" if severity == "warning" else "bad"


def is_test(node: NodeResult | NodeHistory) -> bool:
    """Whether it tests something, rather than builds it."""
    return node.resource_type in {"test", "unit_test"}


def node_tone(node: NodeResult) -> str:
    """How the status that dbt gave a node is to be taken."""
    return status_tone(node.status)


def status_tone(status: str) -> str:
    """How a status of dbt's is to be taken."""
    tones = {"pass": "good", "success": "good", "no-op": "good", "warn": "warn", "skipped": "none"}
    return tones.get(status, "bad")


def count_tests(nodes: Sequence[NodeResult]) -> dict[str, int]:
    """Tests of a build by how they are to be taken: good, warn, bad, none (not run)."""
    counts = {"good": 0, "warn": 0, "bad": 0, "none": 0}
    for node in nodes:
        if is_test(node):
            counts[node_tone(node)] += 1
    return counts
