"""What clients get: lists, popular and similar tracks, and errors they can act on."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import psycopg
import pytest

from recommender.tables import create_tables
from tests.serving.answers import LIST, problem, tracks
from tests.serving.conftest import (
    DAY,
    DAY_BEFORE,
    MADE_AT,
    SOURCE,
    TRACK,
    USER,
    create_marts,
    fill,
    insert,
    insert_batch,
    serving,
    settings_for,
)

POPULAR = ["2", "3", TRACK]
UNNAMED = {
    "album_title": None,
    "duration_seconds": None,
    "genre_names": None,
    "because": None,
}
MANY = "/v1/recommendations"


def test_ids_to_try_it_with_are_of_users_who_have_a_list(api: httpx.Client) -> None:
    found = api.get("/v1/users").json()
    # 3 has one too, and was deleted since
    assert found == {
        "source_name": SOURCE,
        "for_date": str(DAY),
        "items": [{"user_id": USER}, {"user_id": "a/b"}],
    }
    for item in found["items"]:
        answer = api.get(f"/v1/users/{item['user_id']}/recommendations").json()
        assert answer["fallback"] is None
    assert len(api.get("/v1/users", params={"limit": 1}).json()["items"]) == 1
    before = api.get("/v1/users", params={"date": str(DAY_BEFORE)}).json()
    assert before["items"] == [{"user_id": USER}]
    problem(api.get("/v1/users", params={"source": "elsewhere"}), 404, "unknown-source")


def test_a_user_gets_the_latest_list_with_what_it_is_made_of(api: httpx.Client) -> None:
    assert api.get(LIST).json() == {
        "user_id": USER,
        "source_name": SOURCE,
        "for_date": "2026-03-02",
        "fallback": None,
        "model_version": "7",
        "data_cutoff": "2026-03-02T03:00:00Z",
        "generated_at": "2026-03-02T03:12:00Z",
        "items": [
            {
                "rank": 1,
                "track_id": TRACK,
                "track_name": "Blue",
                "artist_name": "Ada",
                "score": 1.0,
                "source": "model",
                "album_title": "Sea",
                "duration_seconds": 201,
                "genre_names": "Folk, Jazz",
                "because": [
                    {"track_id": "3", "track_name": "Red", "artist_name": "Eve"},
                    {"track_id": "8", "track_name": None, "artist_name": None},
                ],
            },
            {
                "rank": 2,
                "track_id": "8",
                "track_name": None,
                "artist_name": None,
                "score": 0.5,
                "source": "popularity",
                **UNNAMED,
            },
            {
                "rank": 3,
                "track_id": "3",
                "track_name": "Red",
                "artist_name": "Eve",
                "score": 0.33333334,
                "source": "popularity",
                **UNNAMED,
            },
        ],
    }


def test_several_users_get_what_each_would_get_alone(api: httpx.Client) -> None:
    asked = {"user_id": ["a/b", "nobody", USER, "2", USER]}
    body = api.get(MANY, params=asked).json()
    assert body == {
        "users": [
            api.get(f"/v1/users/{user}/recommendations").json() for user in ("a/b", USER, "2")
        ],
        "unknown_user_ids": ["nobody"],
    }
    first, unknown, *_ = api.get(MANY, params={**asked, "fallback": "true"}).json()["users"]
    assert (first["user_id"], first["fallback"]) == ("a/b", None)
    assert (unknown["user_id"], unknown["fallback"]) == ("nobody", "unknown_user")
    assert [item["track_id"] for item in unknown["items"]] == POPULAR


def test_users_are_named_and_not_more_than_fifty(api: httpx.Client) -> None:
    for user_ids in ([], [""], [str(number) for number in range(51)]):
        found = problem(api.get(MANY, params={"user_id": user_ids}), 422, "invalid-parameter")
        assert [error["parameter"] for error in found["errors"]] == ["user_id"]
    assert api.get(MANY, params={"user_id": [USER] * 50}).status_code == 200
    problem(api.get(MANY, params={"user_id": USER, "date": "2020-01-01"}), 404, "no-lists")


def test_what_is_excluded_makes_room_for_what_follows(api: httpx.Client) -> None:
    assert tracks(api.get(LIST, params={"exclude": [TRACK, "999"], "limit": 1})) == ["8"]
    assert tracks(api.get(LIST, params={"exclude": [TRACK, "8", "3"]})) == []
    # who has a list has no popular tracks because of it
    assert api.get(LIST, params={"exclude": [TRACK, "8", "3"]}).json()["fallback"] is None
    assert tracks(api.get("/v1/users/2/recommendations", params={"exclude": "2"})) == POPULAR[1:]
    problem(api.get(LIST, params={"exclude": ["1"] * 101}), 422, "invalid-parameter")


def test_popular_tracks_carry_no_version_of_a_model(api: httpx.Client) -> None:
    body = api.get("/v1/users/2/recommendations").json()
    assert (body["fallback"], body["model_version"]) == ("no_list", None)


def test_limit_and_date_choose_from_the_lists(api: httpx.Client) -> None:
    assert tracks(api.get(LIST, params={"limit": 2})) == [TRACK, "8"]
    assert tracks(api.get(LIST, params={"date": str(DAY_BEFORE)})) == ["3"]
    assert tracks(api.get("/v1/popular", params={"limit": 1})) == POPULAR[:1]
    assert tracks(api.get("/v1/popular", params={"date": str(DAY_BEFORE)})) == []
    assert tracks(api.get(f"/v1/tracks/{TRACK}/similar", params={"limit": 1})) == ["2"]


def test_a_known_user_without_a_list_gets_popular_tracks_that_say_so(api: httpx.Client) -> None:
    response = api.get("/v1/users/2/recommendations")
    assert tracks(response) == POPULAR
    assert response.json()["fallback"] == "no_list"
    assert {item["source"] for item in response.json()["items"]} == {"popularity"}
    assert [item["score"] for item in response.json()["items"]] == [40, 30, 20]


@pytest.mark.parametrize("user_id", ["nobody", "3"])
def test_who_is_unknown_or_deleted_gets_nothing_or_popular_tracks(
    api: httpx.Client, user_id: str
) -> None:
    path = f"/v1/users/{user_id}/recommendations"
    assert user_id in problem(api.get(path), 404, "unknown-user")["detail"]
    response = api.get(path, params={"fallback": "true"})
    assert tracks(response) == POPULAR
    assert response.json()["fallback"] == "unknown_user"


def test_similar_tracks_leave_out_what_was_deleted(api: httpx.Client) -> None:
    body = api.get(f"/v1/tracks/{TRACK}/similar").json()
    assert (body["track_name"], body["artist_name"]) == ("Blue", "Ada")
    assert [(item["rank"], item["track_name"]) for item in body["items"]] == [
        (2, "Café 東京"),
        (3, "Red"),
    ]
    assert api.get("/v1/tracks/8/similar").json()["items"] == []
    problem(api.get("/v1/tracks/9/similar"), 404, "unknown-track")
    problem(api.get("/v1/tracks/nothing/similar"), 404, "unknown-track")


def test_popular_tracks_say_how_many_listened(api: httpx.Client) -> None:
    body = api.get("/v1/popular").json()
    assert [(item["rank"], item["listener_count"]) for item in body["items"]] == [
        (1, 40),
        (2, 30),
        (3, 20),
    ]
    assert (body["for_date"], body["generated_at"]) == ("2026-03-02", "2026-03-02T03:12:00Z")


def test_a_day_or_a_source_without_lists_is_said_to_be_so(api: httpx.Client) -> None:
    for path in (LIST, "/v1/popular"):
        body = problem(api.get(path, params={"date": "2020-02-29"}), 404, "no-lists")
        assert str(DAY) in body["detail"]
        problem(api.get(path, params={"source": "vinyl"}), 404, "unknown-source")


def test_before_the_first_calculation_the_answer_is_to_come_back(
    database_url: str, connection: psycopg.Connection
) -> None:
    with serving(settings_for(database_url)) as client:
        for path in (LIST, "/v1/popular", "/readyz"):
            assert problem(client.get(path), 503, "not-ready")
        create_marts(connection)
        create_tables(connection)
        for path in (LIST, "/v1/popular", "/readyz"):
            response = client.get(path)
            problem(response, 503, "not-ready")
            assert int(response.headers["retry-after"]) > 0
        insert_batch(connection, DAY)
        insert(connection, "marts.dim_users", user_id=USER)
        # lists of an earlier version gave no reasons
        connection.execute("alter table recommendations.recommendations drop column because")
        problem(client.get(LIST), 503, "not-ready")
        create_tables(connection)
        assert tracks(client.get(LIST)) == []
        assert client.get("/readyz").json() == {"status": "ready", "latest_date": "2026-03-02"}


def test_ids_of_other_sources_are_not_mixed(
    database_url: str, connection: psycopg.Connection
) -> None:
    fill(connection)
    insert(connection, "marts.dim_users", source_name="vinyl", user_id="only")
    insert(connection, "marts.dim_tracks", source_name="vinyl", track_id="2", track_name="Other")
    insert_batch(connection, DAY, source_name="vinyl")
    with serving(settings_for(database_url)) as client:
        problem(client.get("/v1/users/only/recommendations"), 404, "unknown-user")
        problem(client.get(LIST, params={"source": "vinyl"}), 404, "unknown-user")
        assert (
            tracks(client.get("/v1/users/only/recommendations", params={"source": "vinyl"})) == []
        )
        problem(
            client.get("/v1/tracks/3/similar", params={"source": "vinyl"}), 404, "unknown-track"
        )
        assert client.get("/v1/popular").json()["items"][0]["track_name"] == "Café 東京"


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"limit": 0}, {"limit"}),
        ({"limit": 101}, {"limit"}),
        ({"limit": "1.0"}, {"limit"}),
        ({"limit": "٣"}, {"limit"}),
        ({"limit": "9" * 5000}, {"limit"}),
        ({"date": "yesterday"}, {"date"}),
        ({"date": "2026-02-30"}, {"date"}),
        ({"date": "1772323200"}, {"date"}),
        ({"source": "x'; drop table marts.dim_users"}, {"source"}),
        ({"source": ""}, {"source"}),
        ({"fallback": "perhaps"}, {"fallback"}),
        ({"limt": 5}, {"limt"}),
        ({"limit": -1, "date": "", "source": "A"}, {"limit", "date", "source"}),
    ],
)
def test_a_parameter_out_of_bounds_is_named(
    api: httpx.Client, parameters: dict[str, Any], named: set[str]
) -> None:
    body = problem(api.get(LIST, params=parameters), 422, "invalid-parameter")
    assert {error["parameter"] for error in body["errors"]} == named
    assert len(str(body)) < 600, "what was sent is not repeated"


@pytest.mark.parametrize(
    ("path", "status", "name"),
    [
        ("/v1/users//recommendations", 422, "invalid-parameter"),
        ("/v1/users/%00/recommendations", 422, "invalid-parameter"),
        ("/v1/users/a%07b/recommendations", 422, "invalid-parameter"),
        ("/v1/users/a%0Ab/recommendations", 404, ""),
        (f"/v1/users/{'x' * 201}/recommendations", 422, "invalid-parameter"),
        (f"/v1/tracks/{'x' * 60_000}/similar", 422, "invalid-parameter"),
        ("/v1/users/%ED%A0%80%FF/recommendations", 404, "unknown-user"),
        ("/v1/users/%F0%9F%8E%B5/recommendations", 404, "unknown-user"),
        ("/v1/users/'%20or%201=1--/recommendations", 404, "unknown-user"),
        (f"/v1/users/{USER}", 404, ""),
        (f"{LIST}/", 404, ""),
        ("/v1/popular/", 404, ""),
        ("/nowhere", 404, ""),
    ],
)
def test_odd_paths_get_clean_errors(api: httpx.Client, path: str, status: int, name: str) -> None:
    problem(api.get(path), status, name)


def test_an_id_can_hold_a_slash(api: httpx.Client) -> None:
    assert tracks(api.get("/v1/users/a%2Fb/recommendations")) == ["2"]


def test_only_reading_is_offered(api: httpx.Client) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE"):
        response = api.request(method, LIST)
        problem(response, 405)
        assert response.headers["allow"] == "GET"
    head = api.head(LIST)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == api.get(LIST).headers["etag"]


@pytest.mark.parametrize("path", [LIST, f"/v1/tracks/{TRACK}/similar", "/v1/popular"])
def test_what_a_client_has_is_not_sent_again(api: httpx.Client, path: str) -> None:
    first = api.get(path)
    tag = first.headers["etag"]
    assert "private" in first.headers["cache-control"]
    assert re.fullmatch(r'"[0-9a-f]{24}"', tag)
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = api.get(path, headers={"If-None-Match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == first.headers["cache-control"]
    for given in ('"other"', tag.strip('"'), ""):
        assert api.get(path, headers={"If-None-Match": given}).status_code == 200


def test_another_list_has_another_tag(api: httpx.Client) -> None:
    answers = [api.get(LIST), api.get(LIST, params={"limit": 2}), api.get("/v1/popular")]
    assert len({answer.headers["etag"] for answer in answers}) == len(answers)


def test_a_day_is_swapped_without_a_torn_answer(
    database_url: str, connection: psycopg.Connection
) -> None:
    fill(connection)
    # one version everywhere: as score, count, and second at which the batch was made
    write_version(connection, DAY, 0)
    with serving(settings_for(database_url)) as client, swapping(database_url, DAY):
        for path in (LIST, "/v1/users/2/recommendations"):
            seen: set[int] = set()
            while len(seen) < 15:
                answer = client.get(path).json()
                versions = {int(item["score"]) for item in answer["items"]}
                assert len(answer["items"]) == 20
                made_at = datetime.fromisoformat(answer["generated_at"])
                assert versions == {(made_at - MADE_AT).total_seconds()}
                seen |= versions


def write_version(connection: psycopg.Connection, day: date, version: int) -> None:
    """Replaces the lists of a day, as the recommender does: in one transaction."""
    values = {"day": day, "version": version, "user": USER}
    with connection.transaction():
        for table in ("batches", "recommendations", "popular_tracks"):
            connection.execute(
                f"delete from recommendations.{table} where for_date = %(day)s".encode(), values
            )
        insert_batch(connection, day, generated_at=MADE_AT + timedelta(seconds=version))
        connection.execute(
            """
            insert into recommendations.recommendations
            select
                %(day)s, 'moovitamix', %(user)s, rank, rank::text, %(version)s, 'model', null,
                now(), now()
            from generate_series(1, 20) as ranks (rank)
            """,
            values,
        )
        connection.execute(
            """
            insert into recommendations.popular_tracks
            select %(day)s, 'moovitamix', rank, rank::text, %(version)s, now()
            from generate_series(1, 20) as ranks (rank)
            """,
            values,
        )


@contextmanager
def swapping(url: str, day: date) -> Iterator[None]:
    """Writes one version after another while the block runs."""
    done = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                for version in count(1):
                    if done.is_set():
                        return
                    write_version(connection, day, version)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert not failures
