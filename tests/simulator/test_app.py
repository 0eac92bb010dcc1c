"""The HTTP contract, through the served API."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulator import Endpoint, Rates, World, WorldConfig, create_app, running
from simulator.contract import ListenHistoryOut, PageCustomized, TracksOut, UsersOut

CONTRACT = Path(__file__).with_name("openapi_contract.json")
ENDPOINTS: list[Endpoint] = ["users", "tracks", "listen_history"]


def test_the_openapi_document_is_the_source_s(api: httpx.Client) -> None:
    assert api.get("/openapi.json").json() == json.loads(CONTRACT.read_text())


@pytest.mark.parametrize(
    ("endpoint", "record"),
    [("users", UsersOut), ("tracks", TracksOut), ("listen_history", ListenHistoryOut)],
)
def test_answers_have_the_shape_the_contract_names(
    api: httpx.Client, endpoint: str, record: type[Any]
) -> None:
    answer = api.get(f"/{endpoint}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    page = PageCustomized[record].model_validate_json(answer.content, strict=True)  # type: ignore[valid-type]
    assert (page.total, page.page, page.size, page.pages) == (1000, 1, 100, 10)
    assert len(page.items) == 100
    assert list(answer.json()) == ["items", "total", "page", "size", "pages"]
    assert all(list(item) == list(record.model_fields) for item in answer.json()["items"])


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("size", [1, 7, 64, 100])
def test_pages_of_any_size_add_up_to_all_records_in_order(
    api: httpx.Client, world: World, endpoint: Endpoint, size: int
) -> None:
    pages = -(-1000 // size) if size > 1 else 30
    answers = [
        api.get(f"/{endpoint}", params={"page": page, "size": size}).json()
        for page in range(1, pages + 1)
    ]
    served = [item for answer in answers for item in answer["items"]]
    assert served == world.rows(endpoint)[: len(served)]
    assert all(answer["size"] == size for answer in answers)
    if size > 1:
        assert len(served) == 1000
        assert {answer["pages"] for answer in answers} == {pages}


@pytest.mark.parametrize("page", [11, 12, 10**30])
def test_a_page_past_the_end_is_empty(api: httpx.Client, page: int) -> None:
    answer = api.get("/tracks", params={"page": page})
    assert answer.status_code == 200
    assert answer.json() == {"items": [], "total": 1000, "page": page, "size": 100, "pages": 10}


def test_an_empty_world_has_no_pages() -> None:
    with running(World.at(0, WorldConfig(users=0, tracks=0))) as url:
        for endpoint in ENDPOINTS:
            answer = httpx.get(f"{url}/{endpoint}").json()
            assert answer == {"items": [], "total": 0, "page": 1, "size": 100, "pages": 0}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("query", "error"),
    [
        (
            "page=0",
            {
                "type": "greater_than_equal",
                "loc": ["query", "page"],
                "msg": "Input should be greater than or equal to 1",
                "input": "0",
                "ctx": {"ge": 1},
            },
        ),
        (
            "size=0",
            {
                "type": "greater_than_equal",
                "loc": ["query", "size"],
                "msg": "Input should be greater than or equal to 1",
                "input": "0",
                "ctx": {"ge": 1},
            },
        ),
        (
            "size=101",
            {
                "type": "less_than_equal",
                "loc": ["query", "size"],
                "msg": "Input should be less than or equal to 100",
                "input": "101",
                "ctx": {"le": 100},
            },
        ),
        (
            "page=two",
            {
                "type": "int_parsing",
                "loc": ["query", "page"],
                "msg": "Input should be a valid integer, unable to parse string as an integer",
                "input": "two",
            },
        ),
    ],
)
def test_a_query_out_of_bounds_is_refused_in_fastapi_s_words(
    api: httpx.Client, endpoint: str, query: str, error: dict[str, Any]
) -> None:
    answer = api.get(f"/{endpoint}?{query}")
    assert answer.status_code == 422
    assert answer.json() == {"detail": [error]}


def test_unknown_parameters_are_ignored(api: httpx.Client) -> None:
    expected = api.get("/users").content
    assert api.get("/users?updated_since=2026-01-01&order=desc").content == expected


def test_a_slash_at_the_end_redirects(api: httpx.Client) -> None:
    answer = api.get("/tracks/?page=3")
    assert answer.status_code == 307
    assert answer.headers["location"] == str(api.base_url.join("/tracks?page=3"))


def test_a_double_slash_is_not_found(api: httpx.Client) -> None:
    assert httpx.get(f"{str(api.base_url).rstrip('/')}//tracks").status_code == 404


def test_the_root_leads_to_the_docs(api: httpx.Client) -> None:
    answer = api.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")
    assert api.get("/docs").status_code == 200


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_only_get_is_allowed(api: httpx.Client, endpoint: str, method: str) -> None:
    answer = api.request(method, f"/{endpoint}")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"


def test_timestamps_are_naive_with_microseconds(api: httpx.Client) -> None:
    for endpoint in ENDPOINTS:
        for item in api.get(f"/{endpoint}").json()["items"]:
            for name in ("created_at", "updated_at"):
                assert datetime.fromisoformat(item[name]).tzinfo is None
                assert len(item[name]) == len("2026-10-14T18:21:37.229195")


def test_the_day_can_be_switched_while_serving() -> None:
    app = create_app(World.at(0, WorldConfig(users=50, tracks=50, rates=Rates.steady(0.2))))
    with running(app) as url, httpx.Client(base_url=url) as client:
        before = client.get("/users").content
        app.state.world = app.state.world.advance()
        after = client.get("/users").content
        assert before != after
        assert after == app.state.world.page("users")
