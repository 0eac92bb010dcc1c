"""What was kept long enough goes, what is younger stays, and who deletes is asked first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from ingestion.landing.quarantine import create_rejected_records
from operations.prune_command import run_prune
from recommender.tables import create_tables as create_recommendations
from warehouse.errors import ConsentError
from warehouse.ops.tables import create_tables as create_ops
from warehouse.settings import Retention, Settings

NOW = datetime.now(UTC)
OLD, YOUNG = NOW - timedelta(days=200), NOW - timedelta(days=50)


def fill(connection: psycopg.Connection) -> None:
    create_ops(connection)
    create_recommendations(connection)
    connection.execute(
        "create schema raw_moovitamix; create schema intermediate;"
        " create schema as_of_20200101_marts; create schema as_of_mine;"
        f" create schema as_of_{YOUNG:%Y%m%d}_marts;"
        " create table intermediate.model_builds (model_name text);"
        " insert into intermediate.model_builds values"
        " ('fct_recommendation_outcomes'), ('fct_listens'), ('rpt_anomalies')".encode()
    )
    create_rejected_records(connection, "raw_moovitamix")
    for at in (OLD, YOUNG):
        connection.execute(
            "insert into recommendations.popularity_shadow values (%s, 's', 'u', 1, 't', %s)",
            (at.date(), at),
        )
        connection.execute(
            "insert into recommendations.superseded_popularity_shadow"
            " values (%s, 's', 'u', 1, 't', %s, %s)",
            (at.date(), at, at),
        )
        for resolved_at in (at, None):
            connection.execute(
                "insert into raw_moovitamix.rejected_records values"
                " (gen_random_uuid()::text, 'users', '{}', 'r', %s, %s, %s)",
                (at, at, resolved_at),
            )
        connection.execute(
            """
            with run as (
                insert into ops.runs values (
                    gen_random_uuid(), 'listenhouse run', 'test', 1, 'x', 'x', 1, 'succeeded',
                    null, null, %(at)s, %(at)s
                ) returning run_id
            ), alert as (
                insert into ops.alerts values (
                    gen_random_uuid(), %(key)s, 'r', 's', 'warning', 'm', 'n', null, false, %(at)s,
                    %(at)s, %(at)s
                ) returning alert_id
            ), told as (
                insert into ops.alert_deliveries
                select alert_id, 't', 'n', 'warning', 1, 'sent', null, %(at)s from alert
            )
            insert into ops.steps select run_id, 'load', 'succeeded', null, %(at)s from run
            """,
            {"at": at, "key": at.isoformat()},
        )


def test_what_is_older_than_its_retention_goes_and_the_rest_stays(
    settings: Settings, connection: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(connection)
    pruned = settings.but(keep=Retention(ops_days=100))
    tables = (
        *(
            "recommendations.popularity_shadow",
            "recommendations.superseded_popularity_shadow",
            "raw_moovitamix.rejected_records",
            "ops.steps where step = 'load'",
        ),
        *("ops.alerts", "ops.alert_deliveries"),
    )

    def count() -> list[int]:
        counts = []
        for table in tables:
            row = connection.execute(f"select count(*) from {table}".encode()).fetchone()
            assert row is not None
            counts.append(row[0])
        return counts

    before = count()
    with pytest.raises(ConsentError, match="add --yes"):
        run_prune(pruned, agreed=False)
    assert count() == before
    assert run_prune(pruned, agreed=True)

    # of the rejected records only the one that was mended long ago
    assert before == [2, 2, 4, 2, 2, 2]
    assert count() == [1, 1, 3, 1, 1, 1]
    left = connection.execute(
        "select nspname::text from pg_namespace where nspname ~ '^as_of' order by 1"
    ).fetchall()
    assert left == [(f"as_of_{YOUNG:%Y%m%d}_marts",), ("as_of_mine",)]
    # built in full next time, so that nothing stays that a full refresh would not give
    assert connection.execute("select model_name from intermediate.model_builds").fetchall() == [
        ("fct_listens",)
    ]
    capsys.readouterr()
    assert run_prune(pruned, agreed=True)
    assert "Nothing is older" in capsys.readouterr().out
