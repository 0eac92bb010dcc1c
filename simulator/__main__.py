"""The command line: `python -m simulator` serves one day of a world.

In: options. Out: the source's API on a port, until interrupted.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from simulator.app import create_app
from simulator.config import DEFAULT_START_DATE, LISTENS_PER_HISTORY, WorldConfig
from simulator.events import EventsError, produce_events
from simulator.faults import lose_listens, spoil_tracks
from simulator.serving import PortTakenError, base_url, bind, serve
from simulator.world import World

COUNT = click.IntRange(min=0)


@click.command(
    name="python -m simulator", context_settings={"show_default": True, "max_content_width": 100}
)
@click.option("--host", default="127.0.0.1", help="Interface to serve on.")
@click.option("--port", default=8420, type=click.IntRange(0, 65535), help="0: any free port.")
@click.option("--users", default=1000, type=COUNT, help="Users on day 0.")
@click.option("--tracks", default=1000, type=COUNT, help="Tracks on day 0.")
@click.option(
    "--histories", type=COUNT, show_default="one per user", help="History records on day 0."
)
@click.option(
    "--listens",
    type=COUNT,
    show_default=f"{LISTENS_PER_HISTORY} per history",
    help="Listens on day 0, over all histories.",
)
@click.option("--seed", default=1, type=COUNT, help="Another seed, another world.")
@click.option("--day", default=0, type=COUNT, help="Days the world has lived.")
@click.option(
    "--start-date",
    default=DEFAULT_START_DATE.isoformat(),
    type=click.DateTime(["%Y-%m-%d"]),
    help="Date of day 0.",
)
@click.option("--tastes/--no-tastes", default=True, help="Whether users listen to what they like.")
@click.option(
    "--lost-listens",
    default=0.0,
    type=click.FloatRange(0, 1),
    help="Share of the day's listens that are missing, to see what notices.",
)
@click.option(
    "--bad-tracks", default=0, type=COUNT, help="Tracks served with a date that is none, likewise."
)
@click.option(
    "--events",
    metavar="HOST:PORT",
    help="Kafka broker; the day's listens are produced there as events, before it is served.",
)
@click.option("--topic", default="listens", help="Topic of the events.")
def main(host: str, port: int, day: int, start_date: datetime, **options: Any) -> None:
    """Serves a simulated source API: the same options give the same data, byte by byte."""
    lost_listens, bad_tracks = options.pop("lost_listens"), options.pop("bad_tracks")
    events, topic = options.pop("events"), options.pop("topic")
    try:
        config = WorldConfig(start_date=start_date.date(), **options)
        # bound before the world is made: a taken port is known at once
        with bind(host, port) as bound:
            world = spoil_tracks(World.at(day, config), bad_tracks)
            if lost_listens:
                world = lose_listens(world, lost_listens)
            if events:
                count = produce_events(World.at(max(day - 1, 0), config), world, events, topic)
                click.echo(f"Produced {count} listening events to {topic} at {events}.")
            click.echo(
                f"Serving day {day} ({world.clock:%Y-%m-%d}), "
                f"{world.total('users')} users, {world.total('tracks')} tracks and "
                f"{world.total('listen_history')} histories, on {base_url(bound)}",
            )
            serve(create_app(world), bound)
    except (EventsError, PortTakenError, ValueError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
