"""How Kafka's clients are configured: the settings' brokers, and the properties of a file.

In: settings. Out: the configuration of a client of librdkafka.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from warehouse.errors import SettingsError
from warehouse.settings import Settings

if TYPE_CHECKING:
    import confluent_kafka

_CLIENT_ID = "listenhouse"


def client_config(
    settings: Settings, **own: str | int | bool
) -> dict[str, str | int | float | bool]:
    """The configuration of a client.

    Args:
        settings: Where the brokers are, and the file with further properties.
        **own: What this client needs, which nobody may change; `_` stands for `.`.

    Raises:
        SettingsError: No broker is named, the client is not installed, or the file cannot be read.
    """
    if settings.kafka is None:
        raise SettingsError(
            "There is no Kafka: set LISTENHOUSE_KAFKA to its brokers, such as `localhost:9092` "
            "(docs/streams.md)."
        )
    if find_spec("confluent_kafka") is None:
        raise SettingsError(
            "Streams need the package confluent-kafka, which is not installed: run `make kafka`, "
            "or `pip install 'listenhouse[kafka]'`."
        )
    return {
        "client.id": _CLIENT_ID,
        # only what is critical: every attempt to connect would be a line on the terminal
        "log_level": 2,
        **_properties(settings),
        "bootstrap.servers": settings.kafka,
        **{name.replace("_", "."): value for name, value in own.items()},
    }


def explain(settings: Settings, error: confluent_kafka.KafkaError) -> str:
    """Says what is wrong with Kafka, and what to look at.

    Args:
        settings: Where the brokers are.
        error: What the client reported.
    """
    cause = error.str().rstrip(".")
    return (
        f"Kafka at {settings.kafka}: {cause}. Check that the brokers run, and LISTENHOUSE_KAFKA"
        f"{' and ' + str(settings.kafka_config) if settings.kafka_config else ''}."
    )


def _properties(settings: Settings) -> dict[str, str]:
    if settings.kafka_config is None:
        return {}
    try:
        lines = settings.kafka_config.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"LISTENHOUSE_KAFKA_CONFIG: {settings.kafka_config} cannot be read ({error}): correct "
            "the path or its rights."
        ) from error
    properties = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, is_property, value = line.partition("=")
        if not is_property:
            raise SettingsError(
                f"LISTENHOUSE_KAFKA_CONFIG: line {number} of {settings.kafka_config} has no `=`: "
                "a property is `name=value`, such as `security.protocol=SASL_SSL`."
            )
        properties[name.strip()] = value.strip()
    return properties
