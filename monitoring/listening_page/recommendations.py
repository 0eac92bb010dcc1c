"""Recommendations on the listening page: what came of them, and what a model takes for alike.

In: a connection that may read the marts and schema `recommendations`. Out: figures of a model and
tracks; nothing about any one listener.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

import psycopg

from monitoring.page.marts import bounded

NEIGHBOURS = 5
"""Neighbours of a track."""

_IS_READABLE: LiteralString = """
    select bool_and(
        to_regclass(name) is not null
        and has_table_privilege(to_regclass(name), 'select')
    )
    from unnest(array['marts.rpt_model_lift', 'recommendations.similar_tracks']) as name
"""

# of the model whose lists were the last to be judged
_LIFT: LiteralString = """
    select
        model_version, user_count, conversion_rate, shadow_conversion_rate,
        lift, lift_lower, lift_upper
    from marts.rpt_model_lift
    where lift is not null
    order by last_for_date desc, model_version desc
    limit 1
"""

_NEIGHBOURS: LiteralString = """
    with

    heard_most as (
        select source_name, track_id
        from marts.rpt_daily_track_listens
        where (source_name, track_id) in (
            select source_name, track_id from recommendations.similar_tracks
        )
        group by 1, 2
        order by sum(listen_count) desc, 1, 2
        limit 1
    )

    select
        similar_tracks.rank = 0 as is_itself,
        dim_tracks.track_id,
        dim_tracks.track_name,
        dim_tracks.artist_name
    from (
        select source_name, track_id, 0 as rank from heard_most
        union all
        select source_name, similar_track_id, rank
        from recommendations.similar_tracks
        inner join heard_most using (source_name, track_id)
        where rank <= %(neighbours)s
    ) as similar_tracks
    inner join marts.dim_tracks using (source_name, track_id)
    where dim_tracks.is_current
    order by similar_tracks.rank
"""


@dataclass(frozen=True)
class ModelLift:
    """How the lists of a model did; a row of `marts.rpt_model_lift`."""

    model_version: str
    user_count: int
    conversion_rate: float
    shadow_conversion_rate: float
    lift: float
    lift_lower: float | None
    lift_upper: float | None


@dataclass(frozen=True)
class Track:
    """A track by its id, name and artist."""

    track_id: str
    name: str
    artist: str | None


@dataclass(frozen=True)
class Recommendations:
    """What the card shows.

    Attributes:
        lift: None while no list is old enough to be judged.
        track: The track heard most that a model knows neighbours of; None where there is none.
        neighbours: Its neighbours, the nearest first.
    """

    lift: ModelLift | None
    track: Track | None
    neighbours: Sequence[Track]


def read_recommendations(connection: psycopg.Connection) -> Recommendations | None:
    """Reads what the card shows; None where nothing recommends, or it may not be read.

    Args:
        connection: Connection to the warehouse, in autocommit mode.
    """
    row = connection.execute(_IS_READABLE).fetchone()
    if row is None or not row[0]:
        return None
    lift = connection.execute(_LIFT).fetchone()
    rows = connection.execute(_NEIGHBOURS, {"neighbours": NEIGHBOURS}).fetchall()
    tracks = [
        Track(track_id, bounded(name or "Unnamed track"), artist and bounded(artist))
        for _, track_id, name, artist in rows
    ]
    has_track = bool(rows) and rows[0][0]
    return Recommendations(
        lift=ModelLift(*lift) if lift else None,
        track=tracks[0] if has_track else None,
        neighbours=tracks[1:] if has_track else [],
    )
