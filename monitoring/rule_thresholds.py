"""The rules that findings are judged by, as their home, the seed, has them.

In: `seeds/rule_thresholds.csv`. Out: its rows. Only where the seed is beside the code: what runs in
production reads `health.rule_thresholds`.
"""

from __future__ import annotations

import csv

from warehouse.settings import PROJECT_ROOT


def read_rules() -> dict[str, dict[str, str]]:
    """The seed's row of each rule, by its name."""
    seed = PROJECT_ROOT / "seeds" / "rule_thresholds.csv"
    with seed.open(newline="", encoding="utf-8") as file:
        return {row["rule_name"]: row for row in csv.DictReader(file)}
