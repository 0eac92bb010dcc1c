"""A stand-in for the source API: the same contract, a world that lives and has tastes.

In: a `WorldConfig` (sizes, seed, first day, rates of change) and a day. Out: the three
endpoints of the source, over HTTP or in-process. The same config and day give the same bytes.

Serve it from the command line (`python -m simulator --help`), or use it in tests:

    from simulator import World, WorldConfig, create_app, running

    app = create_app(World.at(0, WorldConfig(users=200)))
    with running(app) as url:                          # http://127.0.0.1:<free port>
        ...                                            # crawl day 0
        app.state.world = app.state.world.advance()    # what is served is day 1 from here on
        ...

- `World.at(day, config)`: day 0 evolved `day` times; `world.advance()` is the next day. Both
  give a new, complete world: one that is being served is never changed under a reader.
- `world.page(endpoint, page, size)`: the bytes the API answers; `world.total(endpoint)`;
  `world.rows(endpoint)`: all records, decoded; `world.clock`: no timestamp is later.
  `world.state` holds the columns, with the latent tastes, genres and popularity behind them.
- `Rates.steady(0.01)`: every day exactly 1 % of users, tracks and histories change and nothing
  arrives or leaves; `Rates.steady(0)`: nothing happens at all.
- `lose_listens(world, 0.6)`, `spoil_tracks(world, 40)`: the same day, gone wrong.
- `create_app(world)`: the FastAPI application, whose `app.state.world` may be replaced at any
  time; `running(app or world)` serves it (or any ASGI application, to wrap it with faults) on
  a free port in a thread, or raises `PortTakenError` when a port asked for is taken.
"""

from simulator.app import create_app
from simulator.config import Rates, WorldConfig
from simulator.encoding import Endpoint
from simulator.faults import lose_listens, spoil_tracks
from simulator.serving import PortTakenError, running
from simulator.world import World

__all__ = [
    "Endpoint",
    "PortTakenError",
    "Rates",
    "World",
    "WorldConfig",
    "create_app",
    "lose_listens",
    "running",
    "spoil_tracks",
]
