"""The API is what its description says, and the description is complete and opens offline."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser
from pydantic import BaseModel

from serving import contract, problems
from tests.serving.conftest import serving, settings_for
from warehouse.settings import PROJECT_ROOT

KEY = "key-0123456789abcdef"
MODELS: dict[str, type[BaseModel]] = {
    name: model
    for module in (contract, problems)
    for name, model in vars(module).items()
    if isinstance(model, type) and issubclass(model, BaseModel)
}


@pytest.fixture(scope="module")
def keyed(listed: str) -> Iterator[httpx.Client]:
    """A client of an API that describes everything it can do."""
    with serving(settings_for(listed).but(api_keys=(KEY,), rate_limit=100_000)) as client:
        yield client


@pytest.fixture(scope="module")
def description(keyed: httpx.Client) -> dict[str, Any]:
    document: dict[str, Any] = keyed.get("/openapi.json").json()
    return document


def responses(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Operation, status and each kind of content of every response."""
    for path, operations in description["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                for content in response.get("content", {}).values():
                    yield path, status, content


def test_every_answer_has_an_example_that_keeps_its_schema(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    seen = set()
    for path, status, content in responses(description):
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        examples = [entry["value"] for entry in content.get("examples", {}).values()]
        examples += [content["example"]] if "example" in content else []
        examples += schemas[name].get("examples", []) if name else []
        assert examples, (path, status)
        for example in examples:
            if name:
                assert (
                    MODELS[name](**example).model_dump(mode="json", exclude_unset=True) == example
                )
            if name == "Problem":
                assert str(example["status"]) == status
        seen.add((path, status))
    for path in ("/v1/users/{user_id}/recommendations", "/v1/tracks/{track_id}/similar"):
        assert {status for at, status in seen if at == path} == {
            "200",
            "401",
            "404",
            "422",
            "429",
            "500",
            "503",
        }
        assert "304" in description["paths"][path]["get"]["responses"]


def test_the_answer_in_the_documentation_is_one() -> None:
    text = (PROJECT_ROOT / "docs/serving.md").read_text()
    (answer,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    read = contract.UserRecommendations.model_validate_json(answer)
    assert read.model_dump(mode="json") == json.loads(answer)


def test_every_parameter_has_bounds_and_an_example(description: dict[str, Any]) -> None:
    names = set()
    for operations in description["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                schema = parameter["schema"]
                names.add(parameter["name"])
                assert schema["examples"]
                assert (
                    {"minimum", "maximum"} <= set(schema)
                    or "maxLength" in schema
                    or {"maxItems", "items"} <= set(schema)
                    or schema.get("format") == "date"
                    or schema["type"] == "boolean"
                ), parameter["name"]
    assert {"limit", "date", "source", "fallback", "user_id", "track_id"} < names


def test_every_operation_says_in_words_what_it_does(description: dict[str, Any]) -> None:
    for operations in description["paths"].values():
        for operation in operations.values():
            by_name = operation["operationId"].replace("_", " ").title()
            assert operation["summary"] != by_name
            assert operation["description"]


def test_schemathesis_finds_nothing(keyed: httpx.Client, tmp_path: Path) -> None:
    """Examples, every bound, and random input, valid and not, against the description."""
    command = Path(sys.executable).parent / "schemathesis"
    outcome = subprocess.run(
        [
            str(command),
            "run",
            f"{keyed.base_url}/openapi.json",
            f"--header=X-API-Key: {KEY}",
            "--checks=all",
            "--phases=examples,coverage,fuzzing",
            "--max-examples=5",
            "--seed=1",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout[-5000:] + outcome.stderr[-2000:]
    assert "Tested: 9" in outcome.stdout


def test_the_documentation_opens_without_the_internet(
    keyed: httpx.Client, browser: Browser
) -> None:
    page = browser.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{keyed.base_url}/docs")
    page.get_by_role("link", name="/v1/popular").wait_for()
    assert page.locator(".opblock").count() == 9
    assert complaints == []
    assert all(url.startswith((str(keyed.base_url), "data:", "blob:")) for url in requests), (
        requests
    )
    page.close()
