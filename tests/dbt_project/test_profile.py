"""`profiles.yml`: from LISTENHOUSE_DATABASE_URL to a connection."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import yaml
from dbt.config.renderer import ProfileRenderer
from dbt_common.context import get_invocation_context, set_invocation_context
from psycopg import sql

from tests.dbt_project.warehouse_build import Warehouse
from warehouse.settings import PROJECT_ROOT


def render(target: str, environment: dict[str, str]) -> dict[str, Any]:
    set_invocation_context(environment)
    assert get_invocation_context().env == environment
    profile = yaml.safe_load((PROJECT_ROOT / "profiles.yml").read_text())["listenhouse"]
    rendered: dict[str, Any] = ProfileRenderer().render_data(profile["outputs"][target])
    return rendered


def connection_of(environment: dict[str, str], target: str = "default") -> dict[str, Any]:
    rendered = render(target, environment)
    return {key: rendered[key] for key in ("host", "port", "user", "password", "dbname")}


def test_without_a_url_it_is_the_embedded_server() -> None:
    assert connection_of({}) == {
        "host": "127.0.0.1",
        "port": 25432,
        "user": "listenhouse",
        "password": "trusted",
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
        ("postgresql://db", ("db", 5432, "listenhouse", "listenhouse", None)),
        ("postgres://ann@db/", ("db", 5432, "ann", "listenhouse", None)),
        ("postgresql://ann@[::1]:6000/w", ("::1", 6000, "ann", "w", None)),
        (
            "postgresql://db/w?sslmode=verify-full&x=1",
            ("db", 5432, "listenhouse", "w", "verify-full"),
        ),
        (
            "postgresql://db?x=1&sslmode=require",
            ("db", 5432, "listenhouse", "listenhouse", "require"),
        ),
    ],
)
def test_every_part_of_the_url_may_be_missing(
    url: str, expected: tuple[str, int, str, str, str | None]
) -> None:
    rendered = render("default", {"LISTENHOUSE_DATABASE_URL": url})
    assert expected == tuple(rendered[k] for k in ("host", "port", "user", "dbname", "sslmode"))


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


def test_dbt_connects_with_a_password_of_special_characters(
    warehouse: Warehouse, connection: psycopg.Connection
) -> None:
    password = "p@ss:w/rd%\"'"  # noqa: S105
    connection.execute(
        sql.SQL("create role {} login password {}").format(
            sql.Identifier("an@user"), sql.Literal(password)
        )
    )
    try:
        host = warehouse.url.split("@", 1)[1]
        url = f"postgresql://an%40user:{quote(password, safe='')}@{host}"
        Warehouse(url, warehouse.folder).dbt("debug", "--connection")
    finally:
        connection.execute(sql.SQL("drop role {}").format(sql.Identifier("an@user")))
