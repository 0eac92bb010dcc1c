"""The database as dlt knows it: credentials that connect by the URL of all other parts.

In: settings. Out: credentials of dlt's destination `postgres`, for loads and for its own commands.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from dlt.common.configuration import configspec
from dlt.common.typing import TSecretStrValue
from dlt.destinations.impl.postgres.configuration import PostgresCredentials

from warehouse.database import library_url, session_parameters
from warehouse.settings import Settings

_FIELDS = {"host": "host", "port": "port", "dbname": "database", "user": "username"}
"""Names of dlt's fields, by libpq's for the same."""


@configspec(init=False)
class WarehouseCredentials(PostgresCredentials):
    """Credentials whose URL is not put together again from what dlt read out of one.

    dlt would leave a database's name encoded, write a blank as a plus sign, which libpq takes for
    one, and insist on a password where PGPASSWORD or PGPASSFILE has it.
    """

    url: TSecretStrValue = dataclasses.field(default="", repr=False)

    def to_native_representation(self) -> str:
        """The URL that psycopg2 and ADBC connect by."""
        return self.url

    def __str__(self) -> str:
        """What dlt calls it in its trace; its own imports SQLAlchemy for that, half a second."""
        return f"postgresql://{self.host}:{self.port}/{self.database}"


def loading_credentials(
    settings: Settings, application_name: str, session: Mapping[str, str]
) -> WarehouseCredentials:
    """Credentials for loads, of what `session_parameters` says.

    Args:
        settings: Which database.
        application_name: How the sessions call themselves.
        session: Parameters of the server to set for them.
    """
    parameters = session_parameters(settings, application_name, session)
    credentials = WarehouseCredentials()
    credentials.update(
        # dlt adds a search path of its own to these options
        {**_fields(parameters), "query": {"options": parameters["options"]}}
    )
    credentials.url = library_url(settings, application_name, session)
    # they are all there is: dlt takes them as they are
    credentials.resolve()
    return credentials


def command_credentials(settings: Settings) -> dict[str, Any]:
    """Credentials for dlt's own commands, as dlt's settings hold them: without our URL.

    Args:
        settings: Which database.
    """
    parameters = session_parameters(settings, "dlt", {})
    query = {
        name: value for name, value in parameters.items() if name not in (*_FIELDS, "password")
    }
    # dlt writes a blank as a plus sign: tabs separate, and what has a blank in it is left to the
    # server
    options = re.split(r"(?<!\\) ", query["options"])
    query["options"] = "\t".join(option for option in options if " " not in option)
    return {**_fields(parameters), "query": query}


def _fields(parameters: Mapping[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: parameters[given] for given, name in _FIELDS.items()}
    fields["port"] = int(fields["port"])
    # dlt asks for one even where the server does not
    fields["password"] = parameters.get("password", "none")
    return fields
