"""Ribbons of the health page: the last results of each model and test, side by side.

In: a `HealthData`. Out: a ribbon for each that did not always go well, and the names of the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from monitoring import wording
from monitoring.health_page.charts import identity_of
from monitoring.health_page.data import HealthData, NodeHistory
from monitoring.health_page.verdict import is_test, status_tone
from monitoring.page.svg_charts import Caption, Share, share_bar

_HEIGHT = 12


@dataclass(frozen=True)
class Ribbon:
    """The last results of a node.

    Attributes:
        name: Of the node.
        drawing: A mark per result, the last on the right.
        reading: What there is to see, in a few words.
        failures: Rows that failed the last test that found some; None where none did.
    """

    name: str
    drawing: Markup
    reading: str
    failures: int | None


@dataclass(frozen=True)
class Ribbons:
    """Those of all models, or of all tests.

    Attributes:
        title: Which.
        noted: Of those that did not always go well, the last that did not first.
        good: How many results the others have, by name.
    """

    title: str
    noted: Sequence[Ribbon]
    good: Mapping[str, int]


def draw_ribbons(data: HealthData) -> list[Ribbons]:
    """The ribbons of tests, then those of models."""
    drawn = []
    for title, of_tests in (("Tests", True), ("Models", False)):
        nodes = [node for node in data.histories if is_test(node) == of_tests]
        noted = [node for node in nodes if _last_trouble(node) < len(node.statuses)]
        noted.sort(key=_last_trouble)
        good = {node.node_name: len(node.statuses) for node in nodes if node not in noted}
        if nodes:
            drawn.append(Ribbons(title, [_draw(node) for node in noted], good))
    return drawn


def _last_trouble(node: NodeHistory) -> int:
    """How many results ago one did not go well; as many as there are where all did."""
    tones = [status_tone(status) for status in reversed(node.statuses)]
    return next((place for place, tone in enumerate(tones) if tone != "good"), len(tones))


def _draw(node: NodeHistory) -> Ribbon:
    results = list(zip(node.run_days, node.statuses, node.failures, strict=True))
    shares = []
    # neighbours that are alike are one mark, or the page would be as long as all results together
    for (status, failures), alike in groupby(results, lambda result: result[1:]):
        days = [day for day, *_ in alike]
        label = f"{wording.short_day(days[0])}: {status}"
        if len(days) > 1:
            label = f"{wording.short_day(days[0])} to {wording.short_day(days[-1])}: "
            label += f"{status}, {len(days)} times"
        if failures:
            label += f", {wording.counted(failures, 'row')}"
        shares.append(Share(len(days), label, status_tone(status)))
    bad = sum(status_tone(status) != "good" for status in node.statuses)
    reading = f"{bad} of {wording.counted(len(results), 'result')} not good"
    return Ribbon(
        name=node.node_name,
        drawing=share_bar(
            Caption(f"ribbon-{identity_of(node.resource_type, node.node_name)}", reading),
            shares,
            _HEIGHT,
        ),
        reading=reading,
        failures=next((each for each in reversed(node.failures) if each), None),
    )
