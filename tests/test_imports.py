"""Of a module of tests nothing is imported: what several share has a module that names it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from warehouse.settings import PROJECT_ROOT

FOLDERS = ("benchmarks", "documentation", "tests", "tools")
"""Who could import tests; what is installed has no tests beside it."""


def imports_of_tests(code: str) -> Iterator[str]:
    """What a file imports from modules whose names begin with `test_`."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module or ''}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if re.search(r"(^|\.)test_", name))


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_is_imported_from_a_module_of_tests(folder: str) -> None:
    files = list((PROJECT_ROOT / folder).rglob("*.py"))
    assert files
    found = {
        str(file.relative_to(PROJECT_ROOT)): names
        for file in files
        if (names := list(imports_of_tests(file.read_text())))
    }
    assert found == {}


def test_an_import_from_a_module_of_tests_is_found() -> None:
    code = (
        "import tests.serving.test_lists\n"
        "def later():\n"
        "    from tests.serving import test_database\n"
        "    from .test_lists import LIST\n"
        "    from tests.serving.answers import LIST\n"
    )
    assert list(imports_of_tests(code)) == [
        "tests.serving.test_lists",
        "tests.serving.test_database",
        "test_lists.LIST",
    ]
