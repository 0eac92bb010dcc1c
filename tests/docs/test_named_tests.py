"""The documentation names tests as evidence; they exist."""

from __future__ import annotations

import ast
import re

import pytest

from warehouse.settings import PROJECT_ROOT

TESTS = {
    node.name
    for path in (PROJECT_ROOT / "tests").rglob("test_*.py")
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
}


@pytest.mark.parametrize("page", ["reliability.md"])
def test_every_test_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", (PROJECT_ROOT / "docs" / page).read_text()))
    assert named
    assert named - TESTS == {"test_failures"} & named
