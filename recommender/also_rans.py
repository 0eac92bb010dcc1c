"""Candidates that need not be tried again so soon.

In: the evaluations of past trainings. Out: names of candidates that were never near the best.
"""

from __future__ import annotations

import psycopg

NEAR = 0.85
"""Share of the best candidate's quality from which another is near it."""

TRIES = 3
"""Trainings in a row that a candidate has to lag in, of those that tried it."""

REMEMBERED = 10
"""Trainings that are looked at: as they pass, a candidate that is left out is tried again."""


def find_also_rans(connection: psycopg.Connection, source_name: str) -> frozenset[str]:
    """Finds the candidates that lagged behind whenever they were tried of late.

    Args:
        connection: Connection to the warehouse.
        source_name: Whose trainings.

    Returns:
        Names of candidates.
    """
    rows = connection.execute(
        """
        with

        recent as (

            select training_id, started_at
            from recommendations.trainings
            where source_name = %(source_name)s
                and status = 'succeeded'
            order by started_at desc
            limit %(remembered)s

        ),

        tried as (

            select
                evaluations.candidate,
                evaluations.value,
                max(evaluations.value) over (partition by recent.training_id) as best,
                row_number() over (
                    partition by evaluations.candidate order by recent.started_at desc
                ) as try
            from recommendations.evaluations
            inner join recent using (training_id)
            where evaluations.role = 'panel'
                and evaluations.segment = 'all'
                and evaluations.metric = 'ndcg'
                and evaluations.cutoff = 20

        )

        select candidate
        from tried
        where try <= %(tries)s
        group by candidate
        having count(*) = %(tries)s
            and bool_and(value < %(near)s * best)
        """,
        {"source_name": source_name, "remembered": REMEMBERED, "tries": TRIES, "near": NEAR},
    )
    return frozenset(name for (name,) in rows)
