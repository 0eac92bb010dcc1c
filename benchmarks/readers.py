"""What publishing leaves to readers: times of their queries, and space, beside the candidates.

In: the URL of a warehouse that was published. Out: a table on standard output. A candidate is what
the table would be if it were built in place, so it is the baseline.
"""

from __future__ import annotations

import time

import psycopg

PUBLISHED, CANDIDATES = "marts", "candidate_marts"

_QUERIES = {
    "count": "select count(*) from {schema}.fct_listens",
    "join": """
        select artist_name, count(*)
        from {schema}.fct_listens
        inner join {schema}.dim_tracks using (track_key)
        group by artist_name
    """,
    "month": """
        select user_id, count(*)
        from {schema}.fct_listens
        where listened_at >= (
            select max(listened_at) - interval '30 days' from {schema}.fct_listens
        )
        group by user_id
    """,
    "user": """
        select *
        from {schema}.rpt_user_track_affinities
        where user_id = (select min(user_id) from {schema}.dim_users)
    """,
}
"""What people ask: all, a join, a month, one user."""

_TRIES = 7


def print_readers(url: str) -> None:
    """Asks each query of both schemas in turn, and prints the shortest time of each.

    Args:
        url: Connection URL of the warehouse.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        print(f"\n{'query, ms':16}{'published':>12}{'candidate':>12}")
        for name, query in _QUERIES.items():
            taken: dict[str, list[float]] = {PUBLISHED: [], CANDIDATES: []}
            for _ in range(_TRIES):
                for schema, seconds in taken.items():
                    started_at = time.perf_counter()
                    connection.execute(query.format(schema=schema).encode()).fetchall()
                    seconds.append(time.perf_counter() - started_at)
            print(f"{name:16}" + "".join(f"{min(tries) * 1000:>12.1f}" for tries in taken.values()))
        print(f"\n{'schema':18}{'MB':>8}")
        for schema, size in connection.execute(
            """
            select relnamespace::regnamespace::text, sum(pg_total_relation_size(oid)) / 1e6
            from pg_class
            where relkind = 'r' and relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
            group by 1
            order by 1
            """
        ).fetchall():
            print(f"{schema:18}{size:>8.0f}")
