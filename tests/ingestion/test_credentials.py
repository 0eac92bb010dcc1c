"""An API that asks who reads it: its credentials are in its URL, and what it refuses is named."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from ingestion.crawl.pages import HttpCounters, PageReader
from ingestion.sources.moovitamix import ENDPOINTS
from tests.ingestion.scripted_api import Answer, ScriptedApi, serve, user
from warehouse.errors import SourceError
from warehouse.settings import Settings

USERS = next(endpoint for endpoint in ENDPOINTS if endpoint.name == "users")


def read(url: str) -> int:
    """Reads the first page of users at a URL; returns how many there are."""
    reader = PageReader(Settings(home=Path("nowhere"), external_api_url=url), HttpCounters())
    try:
        return len(reader.read(USERS, 1).records)
    finally:
        reader.close()


def test_credentials_in_the_url_are_sent_and_never_repeated() -> None:
    api = ScriptedApi()
    api.records["users"] = [user(1)]
    # with signs that a URL writes otherwise
    api.authorization = f"Basic {b64encode(b'ada:pass/word@1').decode()}"
    with serve(api):
        assert read(api.url.replace("//", "//ada:pass%2Fword%401@")) == 1
        with pytest.raises(SourceError, match="does not accept the credentials") as refused:
            read(api.url.replace("//", "//ada:hunter2-secret@"))
    assert "status 401" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("status", [401, 403])
def test_an_api_that_asks_for_credentials_is_not_taken_for_a_wrong_address(status: int) -> None:
    api = ScriptedApi()
    api.fault = lambda *_: Answer(b"{}", status)
    with serve(api), pytest.raises(SourceError) as refused:
        read(api.url)
    assert f"status {status}: it asks for credentials" in str(refused.value)
    assert "https://USER:PASSWORD@HOST" in str(refused.value)
    assert "base URL" not in str(refused.value)
