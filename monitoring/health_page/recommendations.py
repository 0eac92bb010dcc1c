"""Recommendations on the health page: whether the lists help, and how good the models are.

In: a `HealthData`. Out: panels of lift and quality, and what to do next, in a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup

from monitoring import wording
from monitoring.health_page.charts import Panel, days_missing, identity_of
from monitoring.health_page.data import Decision, Evaluation, HealthData, Lift
from monitoring.page.svg_charts import Caption, Estimate, Point, band_chart, interval_chart

_ROLES = {"champion": "circle", "challenger": "diamond", "popularity": "square"}
"""Roles in the order of each group, and what marks them."""

_DECISION_TONES = {
    "promoted": "good",
    "rolled_back": "warn",
    "fell_back": "bad",
    "restored": "good",
}

_DIGITS = 4
"""Of a difference between models: as many as the gate's reason has beside it."""

_NEXT_STEPS = {
    "promoted": "Nothing to do. Should the lift fall, `listenhouse rollback-model` puts the model "
    "before it back.",
    "refused": "Nothing to do: the champion stays until a challenger is better. "
    "`listenhouse retrain` tries again.",
    "rolled_back": "Find out what was wrong with the model that was given up, then train another: "
    "`listenhouse retrain`.",
    "fell_back": "Put the file back, or train a new model: `listenhouse retrain`.",
    "restored": "Nothing to do: the champion's file is back.",
}
"""What to do after a decision."""


def draw_lift(data: HealthData) -> list[Panel]:
    """One panel per source: the lift of each day whose window is complete."""
    return [
        _lift_panel(source_name, list(group))
        for source_name, group in groupby(data.lifts, lambda each: each.source_name)
    ]


def draw_quality(data: HealthData) -> list[Panel]:
    """One panel per source: models at each of the last trainings."""
    return [
        _quality_panel(source_name, list(group))
        for source_name, group in groupby(data.evaluations, lambda each: each.source_name)
    ]


def next_step(data: HealthData) -> str:
    """What to do next, in a sentence."""
    if not data.lists:
        return "Make lists: `listenhouse recommend`."
    if not data.decisions:
        return "Train a first model: `listenhouse retrain`."
    return _NEXT_STEPS.get(data.decisions[0].decision, "Nothing to do.")


def decision_tone(decision: Decision) -> str:
    """How a decision is to be taken."""
    return _DECISION_TONES.get(decision.decision, "none")


def told(decision: Decision) -> str:
    """What a decision did, in a few words: `Promoted: version 3 in place of version 2`."""
    before = f"version {decision.from_version}" if decision.from_version else "nothing"
    after = f"version {decision.to_version}" if decision.to_version else "popularity"
    match decision.decision:
        case "refused":
            return f"Refused: {after}; {before} stays"
        case "promoted" if not decision.from_version:
            return f"Promoted: {after}, the first"
        case other:
            return f"{wording.name(other).capitalize()}: {after} in place of {before}"


def measured(decision: Decision) -> str:
    """By how much the challenger was better, with its interval."""
    if decision.difference is None:
        return ""
    metric = (decision.metric or "difference").replace("@", " at ")
    difference = wording.signed(decision.difference, _DIGITS)
    words = []
    # the gate says it already, with its interval
    if difference.replace(wording.MINUS, "-") not in decision.reason:
        words.append(f"{metric} {difference}")
        if decision.lower is not None and decision.upper is not None:
            lower, upper = (
                wording.signed(each, _DIGITS) for each in (decision.lower, decision.upper)
            )
            words[0] += f" ({lower} to {upper})"
    if decision.user_count is not None:
        words.append(wording.counted(decision.user_count, "user"))
    return ", ".join(words)


def _lift_panel(source_name: str, lifts: Sequence[Lift]) -> Panel:
    complete = [each for each in lifts if each.is_window_complete]
    open_days = wording.counted(len(lifts) - len(complete), "day")
    title = f"Lift over popularity, {source_name}"
    if not complete:
        return Panel(title, f"The window of {open_days} is open; none is complete yet.", Markup())
    last = complete[-1]
    reading = (
        f"{_interval_text(last)} points on {wording.day(last.for_date)}: users listened to "
        f"{wording.percentage(last.conversion_rate)} of their lists, and to "
        f"{wording.percentage(last.shadow_conversion_rate)} of those of popularity"
    )
    worse = sum(_is_worse(each) for each in complete)
    missing = days_missing(complete)
    first = complete[0].for_date
    days = (last.for_date - first).days
    places = {
        each.for_date: (each.for_date - first).days / days if days else 0.5 for each in complete
    }
    still_open = f"{open_days} more are still open." if len(lifts) > len(complete) else ""
    return Panel(
        title=title,
        reading=" ".join(filter(None, (f"{reading}.", still_open, missing))),
        drawing=Markup()
        if missing
        else band_chart(
            Caption(
                f"lift-{identity_of(source_name)}",
                title,
                f"{reading}. {worse} of {wording.counted(len(complete), 'day')} were worse than "
                "popularity.",
            ),
            [
                Point(
                    place=places[each.for_date],
                    value=100 * each.lift,
                    label=f"{wording.day(each.for_date)}: {_interval_text(each)} points, "
                    f"{wording.counted(each.user_count, 'user')}",
                    low=None if each.lift_lower is None else 100 * each.lift_lower,
                    high=None if each.lift_upper is None else 100 * each.lift_upper,
                    tone="bad" if _is_worse(each) else "",
                    points_up=False,
                )
                for each in complete
            ],
            [
                (places[each.for_date], wording.short_day(each.for_date))
                for each in {first: complete[0], last.for_date: last}.values()
            ],
            lambda value: f"{value:g}".replace("-", wording.MINUS),
        ),
    )


def _quality_panel(source_name: str, evaluations: Sequence[Evaluation]) -> Panel:
    trainings = [
        {each.role: each for each in group}
        for _, group in groupby(evaluations, lambda each: each.training_id)
    ]
    last = trainings[-1]
    trained_at = evaluations[-1].trained_at
    values = ", ".join(
        f"{role} {last[role].value:.3f}{_range_text(last[role])}" for role in _ROLES if role in last
    )
    title = f"Quality of models (ndcg at 20), {source_name}"
    reading = f"At the training of {wording.moment(trained_at)}: {values}"
    return Panel(
        title=title,
        reading=f"{reading}. A group is a training: champion (circle), challenger (diamond), "
        "popularity (square), with 95 % intervals.",
        drawing=interval_chart(
            Caption(
                f"quality-{identity_of(source_name)}",
                title,
                f"{reading}. {wording.counted(len(trainings), 'training')}.",
            ),
            [
                [
                    _estimate(training[role], shape) if role in training else None
                    for role, shape in _ROLES.items()
                ]
                for training in trainings
            ],
            [wording.short_day(next(iter(training.values())).trained_at) for training in trainings],
            lambda value: f"{value:g}",
        ),
    )


def _estimate(each: Evaluation, shape: str) -> Estimate:
    return Estimate(
        value=each.value,
        label=f"{wording.moment(each.trained_at)}: {each.role} {each.value:.3f}{_range_text(each)}",
        tone=each.role,
        shape=shape,
        low=each.lower,
        high=each.upper,
    )


def _is_worse(lift: Lift) -> bool:
    return lift.lift_upper is not None and lift.lift_upper < 0


def _interval_text(lift: Lift) -> str:
    if lift.lift_lower is None:
        return wording.points(lift.lift)
    lower, upper = wording.points(lift.lift_lower), wording.points(lift.lift_upper)
    return f"{wording.points(lift.lift)} ({lower} to {upper})"


def _range_text(each: Evaluation) -> str:
    if each.lower is None or each.upper is None:
        return ""
    return f" ({each.lower:.3f}–{each.upper:.3f})"
