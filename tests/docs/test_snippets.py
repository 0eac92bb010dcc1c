"""What the documentation tells to copy can be read by what it is for."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from tests.docs.snippets import PAGES, SNIPPETS, Snippet

EXECUTED = ("sh", "sql", "python")
LANGUAGES = (*EXECUTED, "cron", "json", "rsyslog", "text", "yaml")
"""What a block can be; `rsyslog` was tried by hand, as docs/logging.md says."""

PROGRAMS = "curl|dbt|dlt|docker|listenhouse|make|pip|promtool|psql|pytest|python"


def written_in(*languages: str) -> list[Snippet]:
    """All blocks in one of these languages."""
    return [snippet for snippet in SNIPPETS if snippet.language in languages]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=str)
def test_every_block_says_what_it_is(snippet: Snippet) -> None:
    assert snippet.language in LANGUAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_command_hides_in_a_block_without_a_fence(page: Path) -> None:
    text = re.sub(r"^( *)```.*?^\1```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert re.findall(rf"^ {{4,}}(?:{PROGRAMS}) .*", text, re.MULTILINE) == []


@pytest.mark.parametrize("snippet", written_in("yaml"), ids=str)
def test_every_yaml_snippet_is_valid(snippet: Snippet) -> None:
    assert isinstance(yaml.safe_load(snippet.text), dict)


@pytest.mark.parametrize("snippet", written_in("cron"), ids=str)
def test_every_line_for_cron_has_a_time_and_a_command(snippet: Snippet) -> None:
    for line in snippet.text.splitlines():
        assert re.match(rf"(?:[\d*/,-]+\s+){{5}}cd \S+ && (?:\S*/)?(?:{PROGRAMS}) ", line), line


@pytest.mark.parametrize("snippet", written_in("json"), ids=str)
def test_every_json_snippet_is_valid(snippet: Snippet) -> None:
    json.loads(snippet.text)


@pytest.mark.parametrize("snippet", written_in("python"), ids=str)
def test_every_python_snippet_is_valid(snippet: Snippet) -> None:
    ast.parse(snippet.text)


@pytest.mark.parametrize("snippet", [s for s in SNIPPETS if s.reason is not None], ids=str)
def test_only_what_could_be_executed_says_why_it_is_not(snippet: Snippet) -> None:
    assert snippet.language in EXECUTED
    assert len(snippet.reason or "") > len("no")
