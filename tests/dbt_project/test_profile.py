"""`profiles.yml`: from LISTENHOUSE_DATABASE_URL to a connection."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest

from tests.dbt_project.rendered_profile import render
from warehouse.database import session_parameters
from warehouse.database_url import IN_QUERY, check_database_url, parse_database_url
from warehouse.settings import Settings


def connection_of(environment: dict[str, str], target: str = "default") -> dict[str, Any]:
    rendered = render(target, environment)
    return {key: rendered[key] for key in ("host", "port", "user", "password", "dbname")}


def test_without_a_url_it_is_the_embedded_server() -> None:
    assert connection_of({}) == {
        "host": "127.0.0.1",
        "port": 25432,
        "user": "listenhouse",
        "password": "",
        "dbname": "listenhouse",
    }
    assert connection_of({"LISTENHOUSE_DATABASE_URL": ""}) == connection_of({})
    assert connection_of({"LISTENHOUSE_PORT": "6000"})["port"] == 6000


@pytest.mark.parametrize(
    "password",
    [
        "p@ss:w/rd%\"'\\",
        "%41%",
        "{{ 1 }}{% raw %}",
        "12345",
        "1e5",
        "None",
        "true",
        "[1, 2]",
        "ünïcode-密码",
        "a b#c?d&e=f",
        "\\u0041",
    ],
)
def test_any_password_survives(password: str) -> None:
    url = (
        f"postgresql://{quote('an@user', safe='')}:{quote(password, safe='')}@db.example:6543/w%2Fh"
    )
    assert connection_of({"LISTENHOUSE_DATABASE_URL": url}) == {
        "host": "db.example",
        "port": 6543,
        "user": "an@user",
        "password": password,
        "dbname": "w/h",
    }


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://db", ("db", 5432, "listenhouse", "listenhouse")),
        ("postgres://ann@db/", ("db", 5432, "ann", "listenhouse")),
        ("postgresql://db?sslmode=require", ("db", 5432, "listenhouse", "listenhouse")),
    ],
)
def test_user_and_database_may_be_missing(url: str, expected: tuple[str, int, str, str]) -> None:
    rendered = render("default", {"LISTENHOUSE_DATABASE_URL": url})
    assert expected == tuple(rendered[name] for name in ("host", "port", "user", "dbname"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann@db/w",
        "postgres://ann:x@[::1]:6000/w",
        "postgresql://ann:%2541@%2Fvar%2Frun%2Fpostgresql:6000/w%252F%3Fh",
        "postgresql://ann:a?sslmode=b#c&d@db/w#h?sslmode=verify-full",
        "postgresql://ann@db:6000/w?sslcert=%2Fa%2Bb%20c%2541&sslkey=/k+y&sslrootcert=system",
        "postgresql://ann@db/w?connect_timeout=3&keepalives_idle=7&sslmode=verif%79-full",
        "postgresql://ann@db/%C3%A9t%C3%A9?options=-c%20a.b%3Dread%5C%20me%09-cc.d%3De%2Bf%2541",
    ],
)
def test_a_url_is_read_as_all_other_parts_read_it(url: str) -> None:
    check_database_url(url)
    expected = parse_database_url(url)
    rendered = render("default", {"LISTENHOUSE_DATABASE_URL": url})
    names = {"host", "port", "user", "password", "dbname", *IN_QUERY}
    # sessions name themselves
    names -= {"options", "application_name", "connect_timeout", "keepalives_idle"}
    assert {name: str(rendered[name] or "") for name in names} == {
        name: expected.get(name, "") for name in names
    }
    assert rendered["connect_timeout"] == int(expected.get("connect_timeout", 10))
    assert rendered["keepalives_idle"] == int(expected.get("keepalives_idle", 60))
    # as dbt makes them
    options = "-c search_path=" + rendered["search_path"].replace(" ", "\\ ")
    parameters = session_parameters(Settings(external_database_url=url), "dbt", {})
    mark = " -clistenhouse.session=on"
    assert arguments(options)[2:] == arguments(parameters["options"].removesuffix(mark))


def arguments(options: str) -> list[str]:
    """What PostgreSQL makes of `options`: white space separates, unless after a backslash."""
    return [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|[^\s\\])+", options)]


@pytest.mark.parametrize(
    ("query", "instead"),
    [
        ("channel_binding=require", "PGCHANNELBINDING"),
        ("sslmode=require&sslcrl=/crl", "PGSSLCRL"),
        ("target_session_attrs=read-write", "PGTARGETSESSIONATTRS"),
        ("tcp_user_timeout=5", "take it out"),
        ("client_encoding=LATIN1", "take it out"),
        ("user=bob", "write it before"),
        ("ssl=true", "take it out"),
    ],
)
def test_what_dbt_cannot_pass_on_is_refused_by_name(query: str, instead: str) -> None:
    url = f"postgresql://ann:secret@db/w?{query}"
    name = query.rpartition("&")[2].partition("=")[0]
    with pytest.raises(ValueError, match=f"'{name}' .*{instead}") as refusal:
        check_database_url(url)
    assert "secret" not in str(refusal.value)
    with pytest.raises(Exception, match=f"without {name}, which dbt cannot pass on"):
        render("default", {"LISTENHOUSE_DATABASE_URL": url})


def test_a_url_that_is_none_is_refused_without_repeating_it() -> None:
    with pytest.raises(Exception, match="in the form postgresql://") as refusal:
        render("default", {"LISTENHOUSE_DATABASE_URL": "mysql://ann:secret@db/w"})
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("environment", [{}, {"LISTENHOUSE_DATABASE_URL": ""}])
def test_prod_insists_on_the_url(environment: dict[str, str]) -> None:
    with pytest.raises(Exception, match="LISTENHOUSE_DATABASE_URL"):
        render("prod", environment)


def test_prod_and_dev_connect_as_default_does() -> None:
    environment = {"LISTENHOUSE_DATABASE_URL": "postgresql://ann:x@db:6000/w"}
    assert connection_of(environment, "prod") == connection_of(environment)
    assert connection_of(environment, "dev") == connection_of(environment)
