"""What tests ask the API for, and how they read its answers."""

from __future__ import annotations

from typing import Any

import httpx

from tests.serving.conftest import USER

LIST = f"/v1/users/{USER}/recommendations"
REQUEST = f"GET {LIST} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode()


def problem(response: httpx.Response, status: int, name: str = "") -> dict[str, Any]:
    """The body of a problem, which has to be of this kind."""
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"] == (f"urn:problem-type:listenhouse:{name}" if name else "about:blank")
    return body


def tracks(response: httpx.Response) -> list[str]:
    """Ids of the tracks of an answer, in its order."""
    assert response.status_code == 200, response.text
    return [item["track_id"] for item in response.json()["items"]]
