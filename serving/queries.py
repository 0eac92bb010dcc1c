"""What the API answers, each read by one statement: a list is of one batch, old or new.

In: the database and checked parameters. Out: bodies, or a problem.
"""

from __future__ import annotations

from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any, LiteralString

from serving.contract import (
    ListedUser,
    ListedUsers,
    ListParameters,
    PopularTrack,
    PopularTracks,
    SimilarTrack,
    SimilarTracks,
    TrackParameters,
    UserParameters,
    UserRecommendations,
    UsersParameters,
    UsersRecommendations,
)
from serving.database import Database
from serving.problems import (
    NO_LISTS,
    NOT_READY,
    UNKNOWN_SOURCE,
    UNKNOWN_TRACK,
    UNKNOWN_USER,
    ProblemError,
)

# `limit 1` keeps each track a look-up by its index: joined, the planner may read all tracks

# the lists of a day, or the latest; the next three statements go on from here
_BATCH: LiteralString = """
    with

    batch as (

        select source_name, for_date, model_version, data_cutoff, generated_at
        from recommendations.batches
        where
            source_name = %(source)s
            and (for_date = %(for_date)s or %(for_date)s::date is null)
        order by for_date desc
        limit 1

    )"""

# users' own lists, and the popular tracks where there is none; a user who is not known, or was
# deleted since, has none
_RECOMMENDATIONS = """,

    -- materialized: asked once for each user, not for each track of the list
    known as materialized (

        select
            asked.user_id,
            asked.place,
            exists (
                select
                from marts.dim_users
                where
                    source_name = %(source)s
                    and user_id = asked.user_id
                    and is_current
                    and not is_deleted
            ) as is_known
        from unnest(%(user_ids)s::text[]) with ordinality as asked (user_id, place)

    ),

    users as materialized (

        select
            known.*,
            known.is_known and exists (
                select
                from recommendations.recommendations as own
                where
                    own.for_date = batch.for_date
                    and own.source_name = %(source)s
                    and own.user_id = known.user_id
            ) as is_own
        from known
        cross join batch

    )

    select
        batch.*,
        users.*,
        entries.*,
        tracks.*,
        features.genre_names,
        reasons.*
    from batch
    cross join users
    left join lateral (
        (
            select rank, track_id, score, source, because
            from recommendations.recommendations
            where
                users.is_own
                and for_date = batch.for_date
                and source_name = %(source)s
                and user_id = users.user_id
                and track_id <> all(%(exclude)s::text[])
            order by rank
            limit %(limit)s
        )
        union all
        (
            select rank, track_id, listener_count, 'popularity', null
            from recommendations.popular_tracks
            where
                not users.is_own
                and for_date = batch.for_date
                and source_name = %(source)s
                and track_id <> all(%(exclude)s::text[])
            order by rank
            limit %(limit)s
        )
    ) as entries on true
    left join lateral (
        select track_name, artist_name, album_title, duration_seconds
        from marts.dim_tracks
        where
            source_name = %(source)s
            and track_id = entries.track_id
            and is_current
        limit 1
    ) as tracks on true
    left join lateral (
        select genre_names
        from marts.rpt_track_features
        where
            source_name = %(source)s
            and track_id = entries.track_id
        limit 1
    ) as features on true
    left join lateral (
        select
            array_agg(named.track_name order by played.place) as reason_names,
            array_agg(named.artist_name order by played.place) as reason_artists
        from unnest(entries.because) with ordinality as played (track_id, place)
        left join lateral (
            select track_name, artist_name
            from marts.dim_tracks
            where
                source_name = %(source)s
                and track_id = played.track_id
                and is_current
            limit 1
        ) as named on true
    ) as reasons on true
    order by users.place, entries.rank
"""

_POPULAR = """

    select
        batch.*,
        popular.rank,
        popular.track_id,
        popular.listener_count,
        tracks.track_name,
        tracks.artist_name
    from batch
    left join recommendations.popular_tracks as popular
        on
            popular.for_date = batch.for_date
            and popular.source_name = %(source)s
            and popular.rank <= %(limit)s
    left join lateral (
        select track_name, artist_name
        from marts.dim_tracks
        where
            source_name = %(source)s
            and track_id = popular.track_id
            and is_current
        limit 1
    ) as tracks on true
    order by popular.rank
"""

_USERS = """,

    listed as (

        select recommendations.user_id
        from recommendations.recommendations
        inner join batch on recommendations.for_date = batch.for_date
        where
            recommendations.source_name = %(source)s
            and recommendations.rank = 1
            and exists (
                select from marts.dim_users
                where
                    source_name = %(source)s
                    and user_id = recommendations.user_id
                    and is_current
                    and not is_deleted
            )
        order by recommendations.user_id
        limit %(limit)s

    )

    select
        batch.*,
        listed.user_id
    from batch
    left join listed on true
    order by listed.user_id
"""

# of a training that may be weeks ago: what was deleted since is left out
_SIMILAR = """
    select
        asked.track_name as asked_track_name,
        asked.artist_name as asked_artist_name,
        entries.*
    from marts.dim_tracks as asked
    left join lateral (
        select
            similar_tracks.data_cutoff,
            similar_tracks.rank,
            similar_tracks.score,
            similar_tracks.similar_track_id as track_id,
            tracks.track_name,
            tracks.artist_name
        from recommendations.similar_tracks
        inner join lateral (
            select track_name, artist_name
            from marts.dim_tracks
            where
                source_name = %(source)s
                and track_id = similar_tracks.similar_track_id
                and is_current
                and not is_deleted
            limit 1
        ) as tracks on true
        where
            similar_tracks.source_name = %(source)s
            and similar_tracks.track_id = %(track_id)s
        order by similar_tracks.rank
        limit %(limit)s
    ) as entries on true
    where
        asked.source_name = %(source)s
        and asked.track_id = %(track_id)s
        and asked.is_current
        and not asked.is_deleted
    order by entries.rank
"""

_LATEST = """
    select max(for_date) as latest_date
    from recommendations.batches
    where source_name = %(source)s or %(source)s::text is null
"""


async def read_recommendations(
    database: Database, user_id: str, wanted: UserParameters
) -> UserRecommendations:
    """Reads a user's list, or the popular tracks where there is none.

    Args:
        database: Where to read.
        user_id: The user.
        wanted: Which list, and how much of it.

    Raises:
        ProblemError: The user is not known, there are no lists, or the database is away.
    """
    (rows,) = await _read_lists(database, [user_id], wanted)
    if not (rows[0]["is_known"] or wanted.fallback):
        raise ProblemError(
            UNKNOWN_USER,
            f"No user {user_id!r} in {wanted.source}; fallback=true gives popular tracks.",
        )
    return _list_of(rows)


async def read_recommendations_of_users(
    database: Database, wanted: UsersParameters
) -> UsersRecommendations:
    """Reads the lists of several users, all of one batch.

    Args:
        database: Where to read.
        wanted: Whose, which lists, and how much of them.

    Raises:
        ProblemError: There are no lists, or the database is away.
    """
    # each once, in the order in which they are asked for
    user_ids = list(dict.fromkeys(wanted.user_id))
    lists = await _read_lists(database, user_ids, wanted)
    return UsersRecommendations(
        users=[_list_of(rows) for rows in lists if rows[0]["is_known"] or wanted.fallback],
        unknown_user_ids=[rows[0]["user_id"] for rows in lists if not rows[0]["is_known"]],
    )


async def _read_lists(
    database: Database, user_ids: list[str], wanted: UserParameters
) -> list[list[dict[str, Any]]]:
    """The rows of each user, one at least."""
    rows = await _read_batch(database, _RECOMMENDATIONS, wanted, user_ids=user_ids)
    return [list(own) for _, own in groupby(rows, key=itemgetter("user_id"))]


def _list_of(rows: list[dict[str, Any]]) -> UserRecommendations:
    first = dict(rows[0])
    fallback = None
    if not first["is_own"]:
        fallback = "no_list" if first["is_known"] else "unknown_user"
        # no model made them
        first["model_version"] = None
    items = [row for row in rows if row["rank"] is not None]
    for item in items:
        if item["because"] is not None:
            reasons = zip(
                item["because"], item["reason_names"], item["reason_artists"], strict=True
            )
            item["because"] = [
                {"track_id": track_id, "track_name": name, "artist_name": artist}
                for track_id, name, artist in reasons
            ]
    return UserRecommendations.model_validate(first | {"fallback": fallback, "items": items})


async def read_users(database: Database, wanted: ListParameters) -> ListedUsers:
    """Reads some of the users who have a list of a day.

    Args:
        database: Where to read.
        wanted: Of which day, and how many.

    Raises:
        ProblemError: There are no lists, or the database is away.
    """
    rows = await _read_batch(database, _USERS, wanted)
    return ListedUsers(
        **rows[0], items=[ListedUser(**row) for row in rows if row["user_id"] is not None]
    )


async def read_popular(database: Database, wanted: ListParameters) -> PopularTracks:
    """Reads the popular tracks of a day.

    Args:
        database: Where to read.
        wanted: Which list, and how much of it.

    Raises:
        ProblemError: There are no lists, or the database is away.
    """
    rows = await _read_batch(database, _POPULAR, wanted)
    return PopularTracks(
        **rows[0], items=[PopularTrack(**row) for row in rows if row["rank"] is not None]
    )


async def read_similar(database: Database, track_id: str, wanted: TrackParameters) -> SimilarTracks:
    """Reads what is similar to a track.

    Args:
        database: Where to read.
        track_id: The track.
        wanted: Of which source, and how much.

    Raises:
        ProblemError: The track is not known, or the database is away.
    """
    rows = await database.read(_SIMILAR, {**wanted.model_dump(), "track_id": track_id})
    if not rows:
        raise ProblemError(UNKNOWN_TRACK, f"No track {track_id!r} in {wanted.source}.")
    first = rows[0]
    return SimilarTracks(
        track_id=track_id,
        track_name=first["asked_track_name"],
        artist_name=first["asked_artist_name"],
        source_name=wanted.source,
        data_cutoff=first["data_cutoff"],
        items=[SimilarTrack(**row) for row in rows if row["rank"] is not None],
    )


async def read_latest_date(database: Database, source: str | None = None) -> date:
    """Reads the latest day that lists were calculated for.

    Args:
        database: Where to read.
        source: Of which source; none for any.

    Raises:
        ProblemError: Nothing was calculated yet, or the database is away.
    """
    (row,) = await database.read(_LATEST, {"source": source})
    latest: date | None = row["latest_date"]
    if latest is None:
        raise ProblemError(NOT_READY, NOT_READY.example)
    return latest


async def _read_batch(
    database: Database, statement: LiteralString, wanted: ListParameters, **parameters: object
) -> list[dict[str, Any]]:
    """The rows of a statement that goes on from `_BATCH`, one at least."""
    query: LiteralString = _BATCH + statement
    rows = await database.read(query, wanted.model_dump() | parameters)
    if not rows:
        raise await _explain_absence(database, wanted)
    return rows


async def _explain_absence(database: Database, wanted: ListParameters) -> ProblemError:
    """Why there is no batch: nothing for this day, for this source, or at all."""
    await read_latest_date(database)
    try:
        latest = await read_latest_date(database, wanted.source)
    except ProblemError as error:
        if error.kind is not NOT_READY:
            raise
        return ProblemError(
            UNKNOWN_SOURCE, f"Nothing was ever calculated for source {wanted.source!r}."
        )
    return ProblemError(
        NO_LISTS,
        f"Nothing was calculated for {wanted.source}, {wanted.for_date}; the latest lists are of "
        f"{latest}.",
    )
