"""What the documentation tells to copy can be read by what it is for."""

from __future__ import annotations

import re

import pytest
import yaml

from warehouse.settings import PROJECT_ROOT


@pytest.mark.parametrize("page", ["logging.md"])
def test_every_yaml_snippet_is_valid(page: str) -> None:
    text = (PROJECT_ROOT / "docs" / page).read_text()
    snippets = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    assert snippets
    for snippet in snippets:
        assert isinstance(yaml.safe_load(snippet), dict)
