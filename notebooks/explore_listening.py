"""Explore listening: how much, by whom, and of what.

In: the marts. Out: tables and charts. `make notebooks` opens it, and
`python notebooks/explore_listening.py` executes it from top to bottom.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Explore listening")

with app.setup:
    import altair as alt
    import marimo as mo
    import pandas as pd  # type: ignore[import-untyped]
    import polars as pl
    from adbc_driver_postgresql import dbapi

    from warehouse.database import connect
    from warehouse.errors import DatabaseError
    from warehouse.settings import read_settings

    SETTINGS = read_settings()


@app.cell(hide_code=True)
def _():
    mo.md("""
    # Explore listening

    Who listened to what, and when. The marts hold ids and no names or addresses of people. Read
    `marts` and `health` only: `staging` and `intermediate` change without notice.
    """)
    return


@app.cell
def _():
    with connect(SETTINGS, "notebook") as connection:
        if connection.execute("select to_regclass('marts.fct_listens')").fetchone() == (None,):
            raise DatabaseError("There are no marts to read yet: run `listenhouse run` first.")
    return


@app.function
def read(query: str) -> pl.DataFrame:
    """Reads a query into polars, through Arrow.

    Args:
        query: SQL.
    """
    return pl.read_database_uri(query, SETTINGS.database_url, engine="adbc")


@app.function
def read_pandas(query: str) -> pd.DataFrame:
    """Reads a query into pandas, through Arrow.

    Args:
        query: SQL.
    """
    with dbapi.connect(SETTINGS.database_url) as connection:
        return pd.read_sql(query, connection)


@app.cell
def _():
    days = read("""
        select
            listened_date,
            count(*) as listens,
            count(distinct user_id) as listeners
        from marts.fct_listens
        group by listened_date
        order by listened_date
    """)
    print(f"{days['listens'].sum():,} listens on {len(days)} days")
    return (days,)


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Listens by day

    If a source reports no times, a listen has the date at which its record was last updated when
    the listen was first observed. The first crawl brings everything at once, so the days before
    it are no history. `listened_at_source` tells which listens have a real time.
    """)
    return


@app.cell
def _(days):
    mo.ui.altair_chart(
        alt.Chart(days, width="container", height=260)
        .mark_bar()
        .encode(
            x="listened_date:T", y="listens:Q", tooltip=["listened_date", "listens", "listeners"]
        )
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Top tracks

    One join leads from the fact to the version of the track that was valid at the time. Group by
    `track_id` to count a track once over all its versions.
    """)
    return


@app.cell
def _():
    top_tracks = read("""
        select
            listens.source_name,
            listens.track_id,
            max(tracks.track_name) as track_name,
            max(tracks.artist_name) as artist_name,
            count(*) as listens,
            count(distinct listens.user_id) as listeners
        from marts.fct_listens as listens
        inner join marts.dim_tracks as tracks using (track_key)
        group by listens.source_name, listens.track_id
        order by listens desc
        limit 20
    """)
    mo.ui.table(top_tracks)
    return (top_tracks,)


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## How concentrated is listening?

    The share of all listens that the most popular tracks take. On the diagonal every track would
    have the same number of listens.
    """)
    return


@app.cell
def _():
    popularity = (
        read("select listen_count from marts.rpt_track_features order by listen_count desc")
        .with_row_index("rank", offset=1)
        .with_columns(
            share_of_tracks=pl.col("rank") / pl.len(),
            share_of_listens=pl.col("listen_count").cum_sum() / pl.col("listen_count").sum(),
        )
    )
    share = popularity["share_of_listens"].to_list()[len(popularity) // 10]
    print(f"The most popular tenth of the tracks takes {share:.0%} of the listens.")
    mo.ui.altair_chart(
        alt.Chart(
            popularity.gather_every(max(1, len(popularity) // 500)), width="container", height=260
        )
        .mark_line()
        .encode(x="share_of_tracks:Q", y="share_of_listens:Q")
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Genres by group of listeners, in pandas

    A track has several genres; `genre_count` divides its listens among them.
    """)
    return


@app.cell
def _():
    by_group = read_pandas("""
        select
            users.gender_group,
            genres.genre_name,
            sum(1.0 / bridge.genre_count)::float8 as listens
        from marts.fct_listens as listens
        inner join marts.dim_users as users using (user_key)
        inner join marts.bridge_track_genres as bridge using (track_key)
        inner join marts.dim_genres as genres using (genre_key)
        group by users.gender_group, genres.genre_name
    """)
    shares = by_group.pivot_table(index="genre_name", columns="gender_group", values="listens")
    shares = shares.div(shares.sum()).mul(100).round(1)
    mo.ui.table(shares.sort_values(by=shares.columns[0], ascending=False).reset_index())
    return (shares,)


if __name__ == "__main__":
    app.run()
