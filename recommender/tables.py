"""The tables of schema `recommendations`: written here, read by dbt, the API and people.

In: a connection. Out: tables that exist. `recommendations`, `popularity_shadow`,
`popular_tracks` and `batches` hold the newest lists of each day; the lists that a day had before
are in `superseded_recommendations` and so on. `similar_tracks` holds what the last training found;
`trainings`, `evaluations`, `promotions` and `canaries` are append-only.
"""

from __future__ import annotations

import psycopg

from warehouse.database import add_column, create_schema

SCHEMA = "recommendations"

LISTS = ("batches", "recommendations", "popularity_shadow", "popular_tracks")
"""Tables of a day's newest lists; `superseded_` and the name is where older ones are."""

_STATEMENTS = (
    # one row per source and day: written with its lists, in their transaction
    """
    create table if not exists recommendations.batches (
        for_date date not null,
        source_name text not null,
        model_version text,
        user_count integer not null,
        list_length integer not null,
        short_list_count integer not null,
        data_cutoff timestamptz not null,
        generated_at timestamptz not null,
        exploration_slots smallint,
        exploration_reason text,
        primary key (for_date, source_name)
    )
    """,
    # source says where a track comes from: model, fold_in, genre_popularity, popularity,
    # exploration; because
    # names the tracks of the user that weigh most in it, null where the model cannot say
    """
    create table if not exists recommendations.recommendations (
        for_date date not null,
        source_name text not null,
        user_id text not null,
        rank smallint not null,
        track_id text not null,
        score real not null,
        source text not null,
        model_version text,
        data_cutoff timestamptz not null,
        generated_at timestamptz not null,
        because text[],
        primary key (for_date, source_name, user_id, rank)
    )
    """,
    # what popularity alone would have recommended, to measure lift against
    """
    create table if not exists recommendations.popularity_shadow (
        for_date date not null,
        source_name text not null,
        user_id text not null,
        rank smallint not null,
        track_id text not null,
        data_cutoff timestamptz not null,
        primary key (for_date, source_name, user_id, rank)
    )
    """,
    """
    create table if not exists recommendations.popular_tracks (
        for_date date not null,
        source_name text not null,
        rank smallint not null,
        track_id text not null,
        listener_count integer not null,
        data_cutoff timestamptz not null,
        primary key (for_date, source_name, rank)
    )
    """,
    # lists that newer ones of the same day replaced: they were served, and are judged for as long
    # as they were. Of the same columns, and of one generation what has the same generated_at
    """
    create table if not exists recommendations.superseded_batches (
        like recommendations.batches,
        primary key (for_date, source_name, generated_at)
    )
    """,
    """
    create table if not exists recommendations.superseded_recommendations (
        like recommendations.recommendations,
        primary key (for_date, source_name, generated_at, user_id, rank)
    )
    """,
    """
    create table if not exists recommendations.superseded_popularity_shadow (
        like recommendations.popularity_shadow,
        generated_at timestamptz not null,
        primary key (for_date, source_name, generated_at, user_id, rank)
    )
    """,
    """
    create table if not exists recommendations.superseded_popular_tracks (
        like recommendations.popular_tracks,
        generated_at timestamptz not null,
        primary key (for_date, source_name, generated_at, rank)
    )
    """,
    # a challenger that serves a share of the users; of a source at most one without an end
    # outcome: promoted, ended, abandoned
    """
    create table if not exists recommendations.canaries (
        canary_id uuid primary key,
        source_name text not null,
        champion_version text not null,
        challenger_version text not null,
        share real not null,
        outcome text,
        reason text,
        code_version text not null,
        started_at timestamptz not null,
        ended_at timestamptz
    )
    """,
    """
    create unique index if not exists canaries_source_name
    on recommendations.canaries (source_name) where ended_at is null
    """,
    # whom it serves
    """
    create table if not exists recommendations.canary_users (
        canary_id uuid not null references recommendations.canaries,
        source_name text not null,
        user_id text not null,
        primary key (canary_id, user_id)
    )
    """,
    """
    create table if not exists recommendations.similar_tracks (
        source_name text not null,
        track_id text not null,
        rank smallint not null,
        similar_track_id text not null,
        score real not null,
        training_id uuid not null,
        data_cutoff timestamptz not null,
        primary key (source_name, track_id, rank)
    )
    """,
    # reason: first, schedule, new_listens, lift, hit_rate, drift, manual
    # status: running, succeeded, refused (the data), failed, died
    """
    create table if not exists recommendations.trainings (
        training_id uuid primary key,
        source_name text not null,
        reason text not null,
        detail text,
        seed integer not null,
        data_cutoff timestamptz,
        split_at timestamptz,
        user_count integer,
        track_count integer,
        listen_count bigint,
        selected_candidate text,
        model_version text,
        status text not null,
        message text,
        code_version text not null,
        started_at timestamptz not null,
        ended_at timestamptz
    )
    """,
    # role: panel, challenger, champion, popularity; split: validation, test
    # segment: all, cold, light, heavy; metric: those of recommender/metrics.py
    """
    create table if not exists recommendations.evaluations (
        training_id uuid not null references recommendations.trainings,
        role text not null,
        candidate text not null,
        model_version text,
        split text not null,
        segment text not null,
        metric text not null,
        cutoff integer not null,
        value double precision not null,
        lower double precision,
        upper double precision,
        user_count integer not null,
        primary key (training_id, role, candidate, split, segment, metric, cutoff)
    )
    """,
    # decision: promoted, refused, rolled_back, fell_back, restored, reconciled
    """
    create table if not exists recommendations.promotions (
        promotion_id uuid primary key,
        training_id uuid references recommendations.trainings,
        decision text not null,
        decided_by text not null,
        from_version text,
        to_version text,
        reason text not null,
        metric text,
        difference double precision,
        lower double precision,
        upper double precision,
        user_count integer,
        data_cutoff timestamptz,
        code_version text not null,
        decided_at timestamptz not null
    )
    """,
)


def create_tables(connection: psycopg.Connection) -> None:
    """Creates what is missing of schema `recommendations`.

    Args:
        connection: Connection that may create schemas.
    """
    create_schema(connection, SCHEMA)
    for statement in _STATEMENTS:
        connection.execute(statement)
    # made by a version that gave no reasons
    for table in ("recommendations", "superseded_recommendations"):
        add_column(connection, SCHEMA, table, "because", "text[]")
    # and by one that did not explore
    for table in ("batches", "superseded_batches"):
        add_column(connection, SCHEMA, table, "exploration_slots", "smallint")
        add_column(connection, SCHEMA, table, "exploration_reason", "text")
