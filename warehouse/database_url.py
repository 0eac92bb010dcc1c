"""The database's URL, read in this one place and by libpq's own rules.

In: a URL. Out: libpq's parameters, decoded, for every part that connects; or the name of what one
of them could not pass on.
"""

from __future__ import annotations

from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict

IN_QUERY = frozenset(
    (
        *("sslmode", "sslcert", "sslkey", "sslrootcert"),
        *("connect_timeout", "keepalives_idle", "options", "application_name"),
    )
)
"""Parameters behind the question mark: those that dbt's adapter can pass on, too."""

_BEFORE_QUERY = ("user", "password", "host", "port", "dbname")

_SCHEMES = ("postgresql://", "postgres://")
_LAST_PORT = 65535


def parse_database_url(url: str) -> dict[str, str]:
    """The parameters of a URL that `check_database_url` has accepted.

    Returns:
        Values by libpq's names for them, percent-encoding decoded once. There is always a port.
    """
    parameters = {name: str(value) for name, value in conninfo_to_dict(url).items() if value}
    # PGPORT would reach libpq, and not dbt
    return {"port": "5432", **parameters}


def check_database_url(url: str) -> str:
    """Refuses a URL that not every part could connect by; returns it otherwise.

    Raises:
        ValueError: It is none, or holds what dbt cannot pass on; says what to do, and does not
            repeat the URL, which can hold a password.
    """
    if not url.startswith(_SCHEMES):
        raise ValueError(
            f"is not a URL that starts with {' or '.join(_SCHEMES)} and names a host; "
            "correct it, or unset it for the default."
        )
    refused = [keyword for keyword in _keywords(url) if keyword not in IN_QUERY]
    if refused:
        raise ValueError(
            f"holds {refused[0]!r} behind the question mark, which not every part can pass "
            f"on: {_instead(refused[0])}."
        )
    try:
        parameters = parse_database_url(url)
    except ProgrammingError:
        # not chained: its message quotes the password
        raise ValueError(
            "is not understood by PostgreSQL's client library: write special characters in "
            "user and password in percent-encoding (% as %25)."
        ) from None
    missing = [part for part in ("user", "host", "dbname") if part not in parameters]
    port = parameters["port"]
    if missing or "," in parameters["host"]:
        raise ValueError(
            "has to name a user, one host and a database: "
            "postgresql://user:password@host:port/database."
        )
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= _LAST_PORT):
        raise ValueError(f"has a port that is not a number from 1 to {_LAST_PORT}.")
    return url


def _keywords(url: str) -> list[str]:
    """The names of the parameters behind the question mark, as written."""
    address = url.partition("://")[2]
    # a password may hold a question mark
    address = address.partition("@")[2] if "@" in address.partition("/")[0] else address
    query = address.partition("?")[2]
    return [pair.partition("=")[0] for pair in query.split("&") if pair]


def _instead(keyword: str) -> str:
    """What to do instead of putting a parameter into the URL."""
    if keyword in _BEFORE_QUERY:
        return "write it before, as in postgresql://user:password@host:port/database"
    variables = {
        option.keyword.decode(): option.envvar.decode()
        for option in pq.Conninfo.get_defaults()
        if option.envvar
    }
    if keyword in variables and keyword != "client_encoding":
        return (
            f"take it out and set {variables[keyword]} in the environment, where every part "
            "looks for it"
        )
    return "take it out"
