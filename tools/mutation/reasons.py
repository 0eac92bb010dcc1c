"""Why a mutant may survive: the reviewed list in `survivors.yml`.

In: that file. Out: the reason for each mutant in it.
"""

from __future__ import annotations

from pathlib import Path

import yaml

FILE = Path(__file__).with_name("survivors.yml")

Reasons = dict[tuple[str, str], str]
"""Reason by model and the mutant's identity."""


def read_reasons(file: Path = FILE) -> Reasons:
    """Reads the reasons.

    Args:
        file: YAML: by model, a list of `reason` and `mutants`.

    Returns:
        The reason for each mutant.
    """
    models = yaml.safe_load(file.read_text()) or {}
    return {
        (model, " ".join(identity.split())): " ".join(entry["reason"].split())
        for model, entries in models.items()
        for entry in entries
        for identity in entry["mutants"]
    }
