"""The tables of schema `ops`: append-only, written by the tools, read by dbt and people.

In: a connection. Out: tables that exist.
"""

from __future__ import annotations

import psycopg

from warehouse.database import add_column, create_schema

SCHEMA = "ops"

_STATEMENTS = (
    """
    create table if not exists ops.runs (
        run_id uuid primary key,
        command text not null,
        trigger text not null,
        attempt integer not null,
        code_version text not null,
        host text not null,
        pid integer not null,
        status text not null,
        failed_step text,
        message text,
        started_at timestamptz not null,
        ended_at timestamptz
    )
    """,
    """
    create table if not exists ops.steps (
        run_id uuid not null references ops.runs,
        step text not null,
        status text not null,
        message text,
        started_at timestamptz not null,
        ended_at timestamptz,
        cpu_seconds double precision,
        peak_memory_bytes bigint,
        read_bytes bigint,
        written_bytes bigint,
        primary key (run_id, step)
    )
    """,
    """
    create table if not exists ops.loads (
        run_id uuid not null references ops.runs,
        crawl_id text not null,
        load_id text not null,
        table_name text not null,
        reported bigint not null,
        landed bigint not null,
        duplicates bigint not null,
        rejected bigint not null,
        carried bigint not null,
        forgotten bigint not null default 0,
        opened bigint not null,
        closed bigint not null,
        job_count integer not null,
        job_bytes bigint not null,
        primary key (run_id, table_name)
    )
    """,
    """
    create table if not exists ops.column_profiles (
        run_id uuid not null references ops.runs,
        table_name text not null,
        column_name text not null,
        null_count bigint not null,
        primary key (run_id, table_name, column_name)
    )
    """,
    """
    create table if not exists ops.schema_changes (
        run_id uuid not null references ops.runs,
        description text not null
    )
    """,
    """
    create table if not exists ops.http_requests (
        run_id uuid not null references ops.runs,
        endpoint text not null,
        requests bigint not null,
        received_bytes bigint not null,
        statuses jsonb not null,
        retries jsonb not null,
        latency_p50_seconds double precision,
        latency_p95_seconds double precision,
        latency_max_seconds double precision,
        primary key (run_id, endpoint)
    )
    """,
    """
    create table if not exists ops.dbt_results (
        run_id uuid not null references ops.runs,
        unique_id text not null,
        name text not null,
        resource_type text not null,
        status text not null,
        seconds double precision not null,
        rows_affected bigint,
        failures bigint,
        message text,
        primary key (run_id, unique_id)
    )
    """,
    # written by dbt, at the end of each invocation that may publish: macros/publication/publish.sql
    """
    create table if not exists ops.publications (
        invocation_id text primary key,
        decided_at timestamptz not null,
        is_published boolean not null,
        reason text,
        boundary_at timestamp,
        candidate_boundary_at timestamp not null
    )
    """,
    # a finding can be of a run that could not be recorded
    # how far the change feed is: the crawl or lists that were published last, by their time
    """
    create table if not exists ops.feed_cursors (
        stream text primary key,
        published_at timestamptz not null,
        moved_at timestamptz not null
    )
    """,
    """
    create table if not exists ops.alerts (
        alert_id uuid primary key,
        finding_key text not null,
        rule_name text not null,
        subject text not null,
        severity text not null,
        message text not null,
        next_step text not null,
        run_id uuid,
        is_event boolean not null,
        found_at timestamptz,
        opened_at timestamptz not null,
        closed_at timestamptz
    )
    """,
    """
    create unique index if not exists alerts_open_finding
    on ops.alerts (finding_key) where closed_at is null
    """,
    # a summary is of no alert
    """
    create table if not exists ops.alert_deliveries (
        alert_id uuid references ops.alerts,
        target text not null,
        notice text not null,
        severity text,
        attempt integer not null,
        status text not null,
        error text,
        recorded_at timestamptz not null
    )
    """,
    """
    create index if not exists alert_deliveries_alert
    on ops.alert_deliveries (alert_id)
    """,
)


def create_tables(connection: psycopg.Connection) -> None:
    """Creates what is missing of schema `ops`.

    Only their owner makes them: who may but write rows in them (`listenhouse grant`) finds them.

    Args:
        connection: Connection that may create schemas, or write in this one.
    """
    row = connection.execute(
        "select has_schema_privilege(to_regnamespace('ops')::oid, 'create')"
    ).fetchone()
    if row and row[0] is False:
        return
    create_schema(connection, SCHEMA)
    for statement in _STATEMENTS:
        connection.execute(statement)
    # made by a version that forgot nobody
    add_column(connection, SCHEMA, "loads", "forgotten", "bigint not null default 0")
