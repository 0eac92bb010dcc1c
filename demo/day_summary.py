"""A day in a line: what was landed, who recommends, what the gate decided.

In: the report of a run. Out: text.
"""

from __future__ import annotations

from operations.daily_run.run import RunReport


def describe_day(report: RunReport) -> str:
    """The line of a day."""
    told = [f"{report.listen_count:,} listens"]
    training, lists = report.training, report.recommendations
    if lists is not None:
        told.append(f"{lists.user_count:,} lists by {lists.model or 'popularity on the spot'}")
    if training is not None and training.challenger is not None and training.decision is not None:
        reasons = ", ".join(trigger.name for trigger in training.triggers if trigger.fired)
        verdict = "promoted" if training.decision.promote else "refused"
        told.append(
            f"trained ({reasons}): {training.challenger.label} {verdict}: "
            f"{training.decision.reason}"
        )
    return "; ".join(told)
