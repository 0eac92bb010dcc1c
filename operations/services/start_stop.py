"""The servers that Listenhouse starts by itself: PostgreSQL and the simulator.

In: settings. Out: both servers up or down; those that the settings replace are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from operations.services import embedded_postgres
from operations.services.simulator_process import day_to_serve, start_simulator, stop_simulator
from warehouse.settings import Settings


def start_postgres(settings: Settings) -> bool:
    """Starts the embedded PostgreSQL, unless the settings name another.

    Args:
        settings: Which database.

    Returns:
        True when it was started now.

    Raises:
        EmbeddedPostgresError: It cannot be started.
    """
    return settings.uses_embedded_postgres and embedded_postgres.start(settings)


def start_source(
    settings: Settings, crawled_on: Sequence[date], meanwhile: Callable[[], None] | None = None
) -> bool:
    """Starts the simulator on the day of a crawl, unless the settings name an API.

    Args:
        settings: Which source.
        crawled_on: The dates of all crawls up to that one.
        meanwhile: What else is to be done while it starts.

    Returns:
        True when it was started now.

    Raises:
        SimulatorError: It cannot be started.
    """
    return settings.uses_simulator and start_simulator(
        settings, day_to_serve(crawled_on), meanwhile
    )


def stop_services(settings: Settings) -> list[str]:
    """Stops what was started here.

    Args:
        settings: Which servers.

    Returns:
        What was stopped, in words.

    Raises:
        EmbeddedPostgresError: PostgreSQL does not stop.
    """
    stopped = []
    if stop_simulator(settings):
        stopped.append("the simulator")
    if embedded_postgres.stop(settings):
        stopped.append("PostgreSQL")
    return stopped
