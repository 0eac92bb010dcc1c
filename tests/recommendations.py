"""What the recommender leaves behind, written by hand: lists, trainings, decisions.

In: tracks by user, figures. Out: rows in schema `recommendations`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from recommender import generations
from recommender.tables import SCHEMA, create_tables

SOURCE = "moovitamix"

Lists = Mapping[str, Sequence[str]]
"""Ids of tracks, the first on top, by the id of the user."""


def recommend(  # noqa: PLR0913 (a row of batches)
    connection: psycopg.Connection,
    for_date: date,
    data_cutoff: datetime,
    lists: Lists,
    shadow: Lists,
    *,
    model_version: str | None = "1",
    generated_at: datetime | None = None,
) -> None:
    """Writes the lists of a day, in place of those that it has."""
    create_tables(connection)
    for table in ("batches", "recommendations", "popularity_shadow"):
        connection.execute(
            sql.SQL("delete from {} where for_date = %s").format(sql.Identifier(SCHEMA, table)),
            (for_date,),
        )
    day = {"for_date": for_date, "source_name": SOURCE, "data_cutoff": data_cutoff}
    made = {"model_version": model_version, "generated_at": generated_at or data_cutoff}
    longest = max(map(len, lists.values()), default=0)
    short = sum(len(tracks) < longest for tracks in lists.values())
    sizes = {"user_count": len(lists), "list_length": longest, "short_list_count": short}
    _insert(connection, "batches", [day | made | sizes])
    model = "model" if model_version else "popularity"
    _insert(
        connection,
        "recommendations",
        [day | made | row | {"score": 1 / row["rank"], "source": model} for row in _ranked(lists)],
    )
    _insert(connection, "popularity_shadow", [day | row for row in _ranked(shadow)])


def supersede(connection: psycopg.Connection, for_date: date, generated_at: datetime) -> None:
    """Keeps the lists of a day as those before; the day gets the same again."""
    generations.supersede(connection, {"for_date": for_date, "source_name": SOURCE})
    for table in ("batches", "recommendations"):
        connection.execute(
            sql.SQL("update {} set generated_at = %s where for_date = %s").format(
                sql.Identifier(SCHEMA, table)
            ),
            (generated_at, for_date),
        )


def train(
    connection: psycopg.Connection,
    started_at: datetime,
    ndcg: Mapping[str, tuple[float, float, float]],
    **changed: Any,
) -> UUID:
    """Writes a training that evaluated models.

    Args:
        connection: Connection to the warehouse.
        started_at: When it began; it took no time.
        ndcg: Value and interval of ndcg@20 on the test slice, by the model's role.
        **changed: Columns of the training that are to be otherwise.
    """
    create_tables(connection)
    training_id = uuid4()
    training: dict[str, Any] = {
        "training_id": training_id,
        "source_name": SOURCE,
        "reason": "schedule",
        "seed": 1,
        "data_cutoff": started_at,
        "selected_candidate": "bm25-k100",
        "status": "succeeded",
        "code_version": "test",
        "started_at": started_at,
        "ended_at": started_at,
    }
    _insert(connection, "trainings", [training | changed])
    _insert(
        connection,
        "evaluations",
        [
            {
                "training_id": training_id,
                "role": role,
                "candidate": "popularity" if role == "popularity" else "bm25-k100",
                "split": "test",
                "segment": "all",
                "metric": "ndcg",
                "cutoff": 20,
                "value": value,
                "lower": lower,
                "upper": upper,
                "user_count": 200,
            }
            for role, (value, lower, upper) in ndcg.items()
        ],
    )
    return training_id


def decide(
    connection: psycopg.Connection, decided_at: datetime, decision: str, **changed: Any
) -> None:
    """Writes a decision about who is champion."""
    create_tables(connection)
    promotion: dict[str, Any] = {
        "promotion_id": uuid4(),
        "decision": decision,
        "decided_by": "gate",
        "reason": "because",
        "code_version": "test",
        "decided_at": decided_at,
    }
    _insert(connection, "promotions", [promotion | changed])


def _ranked(lists: Lists) -> list[dict[str, Any]]:
    return [
        {"user_id": user_id, "rank": rank, "track_id": track_id}
        for user_id, tracks in lists.items()
        for rank, track_id in enumerate(tracks, start=1)
    ]


def _insert(connection: psycopg.Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    statement: LiteralString = "insert into {} ({}) values ({})"
    connection.cursor().executemany(
        sql.SQL(statement).format(
            sql.Identifier(SCHEMA, table),
            sql.SQL(", ").join(map(sql.Identifier, rows[0])),
            sql.SQL(", ").join([sql.Placeholder()] * len(rows[0])),
        ),
        [list(row.values()) for row in rows],
    )
