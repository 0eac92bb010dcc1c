"""What dbt says that pages, notebooks and services read is what their code reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dbt_project.artifacts import Manifest, Node
from warehouse.settings import PROJECT_ROOT

READS = re.compile(r"(?:\b(?:from|join)\s+|\b(?:marts|health)\.)(?:(?:marts|health)\.)?(\w+)")


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    for pattern in ("*.py", "*.jinja"):
        yield from place.rglob(pattern)


def read_by(exposure: Node, models: set[str]) -> set[str]:
    """The models and seeds that an exposure's code names in SQL."""
    return {
        name
        for place in exposure["config"]["meta"]["code"]
        for file in _files(PROJECT_ROOT / place)
        for name in READS.findall(file.read_text())
    } & models


def test_exposures_depend_on_what_their_code_reads(manifest: Manifest) -> None:
    nodes = {node["unique_id"]: node["name"] for node in manifest.nodes("model", "seed")}
    exposures = manifest.nodes("exposure")
    assert {"listening_dashboard", "own_model", "recommendations_api"} <= {
        exposure["name"] for exposure in exposures
    }
    for exposure in exposures:
        declared = {nodes[parent] for parent in exposure["depends_on"]["nodes"]}
        assert declared == read_by(exposure, set(nodes.values())), exposure["name"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("select 1 from marts.fct_listens", ["fct_listens"]),
        ('modelled("health.fct_runs")', ["fct_runs"]),
        ("inner join\n    dim_tracks using", ["dim_tracks"]),
        ("the fact, fct_listens, has", []),
    ],
)
def test_a_name_is_read_where_sql_names_it(text: str, names: list[str]) -> None:
    assert READS.findall(text) == names
