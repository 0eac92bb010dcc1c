"""Who is let in: keys, limits, and pages of other origins."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.serving.answers import LIST, problem
from tests.serving.conftest import serving, settings_for

OLD, NEW = "old-key-0123456789", "new-key-0123456789"
OPEN = ("/healthz", "/readyz", "/health", "/metrics", "/openapi.json", "/docs")


def test_with_keys_only_those_who_have_one_get_lists(listed: str) -> None:
    with serving(settings_for(listed).but(api_keys=(OLD, NEW))) as client:
        for key in (OLD, NEW):
            assert client.get(LIST, headers={"X-API-Key": key}).status_code == 200
        for headers in (
            {},
            {"X-API-Key": ""},
            {"X-API-Key": OLD[:-1]},
            {"X-API-Key": f"{OLD},{NEW}"},
            {"Authorization": f"Bearer {OLD}"},
        ):
            response = client.get(LIST, headers=headers)
            problem(response, 401, "no-api-key")
            assert response.headers["www-authenticate"] == "ApiKey"
        # nor does anybody else learn which users or parameters there are
        for path in ("/v1/users/nobody/recommendations", f"{LIST}?limit=0", "/v1/nowhere"):
            problem(client.get(path), 401, "no-api-key")
        for path in OPEN:
            assert client.get(path).status_code == 200
        described = client.get("/openapi.json").json()
        assert described["paths"]["/v1/popular"]["get"]["security"]
        assert "security" not in described["paths"]["/healthz"]["get"]


def test_without_keys_none_is_asked_for_or_described(api: httpx.Client) -> None:
    assert api.get(LIST, headers={"X-API-Key": "whatever"}).status_code == 200
    described = api.get("/openapi.json").json()
    assert "security" not in described["paths"]["/v1/popular"]["get"]
    assert "401" not in described["paths"]["/v1/popular"]["get"]["responses"]


def test_who_asks_too_often_is_told_when_to_come_back(listed: str) -> None:
    with serving(settings_for(listed).but(rate_limit=3)) as client:
        for left in (2, 1, 0):
            response = client.get(LIST)
            assert response.status_code == 200
            assert response.headers["ratelimit-policy"] == '"client";q=3;w=60'
            assert re.fullmatch(rf'"client";r={left};t=\d+', response.headers["ratelimit"])
        response = client.get("/v1/popular")
        problem(response, 429, "too-many-requests")
        assert 0 < int(response.headers["retry-after"]) <= 60
        assert response.headers["ratelimit"].startswith('"client";r=0;')
        for path in OPEN:
            response = client.get(path)
            assert response.status_code == 200
            assert "ratelimit" not in response.headers


def test_each_key_has_a_limit_of_its_own_and_guesses_share_that_of_their_address(
    listed: str,
) -> None:
    settings = settings_for(listed).but(api_keys=(OLD, NEW), rate_limit=2)
    with serving(settings) as client:
        for guess in ("first", "second"):
            problem(client.get(LIST, headers={"X-API-Key": guess}), 401, "no-api-key")
        problem(client.get(LIST, headers={"X-API-Key": "third"}), 429, "too-many-requests")
        for key in (OLD, NEW):
            statuses = [client.get(LIST, headers={"X-API-Key": key}).status_code for _ in range(3)]
            assert statuses == [200, 200, 429]


def test_a_limit_of_0_is_none(listed: str) -> None:
    with serving(settings_for(listed).but(rate_limit=0)) as client:
        response = client.get(LIST)
        assert response.status_code == 200
        assert "ratelimit" not in response.headers


ORIGIN = "https://house.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "X-API-Key",
}


def test_pages_of_other_origins_are_kept_out_unless_named(api: httpx.Client) -> None:
    response = api.get(LIST, headers={"Origin": ORIGIN})
    assert not [name for name in response.headers if name.startswith("access-control-")]
    assert api.options(LIST, headers={"Origin": ORIGIN, **PREFLIGHT}).status_code == 405


@pytest.mark.parametrize(
    ("origin", "allowed"), [(ORIGIN, ORIGIN), ("https://house.example.evil", None)]
)
def test_a_page_of_a_named_origin_may_ask_also_when_it_is_refused(
    listed: str, origin: str, allowed: str | None
) -> None:
    settings = settings_for(listed).but(cors_origins=(ORIGIN,), api_keys=(OLD,))
    with serving(settings) as client:
        preflight = client.options(LIST, headers={"Origin": origin, **PREFLIGHT})
        assert preflight.headers.get("access-control-allow-origin") == allowed
        for key, status in ((OLD, 200), ("", 401)):
            response = client.get(LIST, headers={"Origin": origin, "X-API-Key": key})
            assert response.status_code == status
            assert response.headers.get("access-control-allow-origin") == allowed
