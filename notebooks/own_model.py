"""Bring your own model: train it, evaluate it as ours are, and let the gate judge.

In: the feature marts. Out: metrics, and with `--register` a version in the registry and a decision
of the gate. `make notebooks` opens it; `python notebooks/own_model.py --register` executes it from
top to bottom.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Bring your own model")

with app.setup:
    import inspect

    import marimo as mo
    import pandas as pd  # type: ignore[import-untyped]
    import polars as pl
    from ease import EaseModel

    from recommender.command import print_training
    from recommender.gate import Contest, decide
    from recommender.interactions import read_interactions, read_listens
    from recommender.metrics import LIST_LENGTH, evaluate
    from recommender.panel import PANEL, POPULARITY, Candidate
    from recommender.recommend import SOURCE_NAME
    from recommender.retrain import retrain
    from recommender.selection import serve_holdout
    from recommender.split import split_listens
    from warehouse.ops.run_record import RunRecord
    from warehouse.run_lock import hold_run_lock
    from warehouse.settings import read_settings

    SETTINGS = read_settings()
    SEED = 1


@app.cell(hide_code=True)
def _():
    mo.md("""
    # Bring your own model

    EASE, a linear model from tracks to tracks, stands for yours. It is a package of its own,
    `examples/own_model`, because the daily run has to load and refit what is in use. The package
    declares its class as an entry point in the group `listenhouse.models`. This is all of it:
    """)
    return


@app.cell
def _():
    mo.md(f"```python\n{inspect.getsource(EaseModel)}\n```")
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Data

    `rpt_user_track_affinities`, `rpt_user_features` and `rpt_track_features` are made for models,
    and are a public contract. `read_interactions` reads them into a matrix of users by tracks.
    """)
    return


@app.cell
def _():
    interactions = read_interactions(SETTINGS, SOURCE_NAME)
    listens = read_listens(SETTINGS, interactions)
    tracks = pl.read_database_uri(
        "select * from marts.rpt_track_features", SETTINGS.database_url, engine="adbc"
    )
    users, columns = interactions.plays.shape
    print(f"{len(listens.users):,} listens of {users:,} users and {columns:,} tracks")
    mo.ui.table(tracks)
    return interactions, listens


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Split

    By time: the latest listens are held out to judge by (`test`), and of the rest the latest again
    to choose by (`validation`). Tune on `validation`; look at `test` once.
    """)
    return


@app.cell
def _(interactions, listens):
    split = split_listens(interactions, listens, SEED)
    print(
        f"{len(split.validation.users):,} users to choose by, {len(split.test.users):,} to judge by"
    )
    return (split,)


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Train and choose

    `serve_holdout` makes the lists that would be served: unheard tracks only, and users with few
    listens get what is popular in their genres. `evaluate` computes every metric of every segment
    with bootstrap intervals.
    """)
    return


@app.cell
def _(split):
    candidates = [
        Candidate(f"ease-{regularization:g}", "ease", {"regularization": regularization})
        for regularization in (50.0, 200.0, 1000.0)
    ]
    results = pd.DataFrame(
        {"candidate": candidate.name, **vars(measurement)}
        for candidate in (*candidates, *PANEL[:3])
        for measurement in evaluate(
            serve_holdout(candidate.fit(split.validation.plays, SEED), split.validation).tracks,
            split.validation,
            SEED,
        )
    )
    overall = results[(results["segment"] == "all") & (results["cutoff"] == LIST_LENGTH)]
    table = overall.pivot_table(index="candidate", columns="metric", values="value")
    table = table.sort_values("ndcg", ascending=False)
    print(table.round(4).to_string())
    mo.ui.table(table.reset_index())
    return candidates, table


@app.cell
def _(candidates, table):
    own = max(candidates, key=lambda candidate: table.loc[candidate.name, "ndcg"])
    print(f"{own.name} is the best of ours on the validation slice.")
    return (own,)


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## What would the gate say?

    The gate compares lists for the same users of the test slice. It promotes what is better by more
    than chance, and for no group of users worse. Here the champion is the best of the panel's first
    models; nothing is written.
    """)
    return


@app.cell
def _(own, split, table):
    rival = max(PANEL[:3], key=lambda candidate: table.loc[candidate.name, "ndcg"])
    lists = {
        role: serve_holdout(candidate.fit(split.test.plays, SEED), split.test).tracks
        for role, candidate in (
            ("challenger", own),
            ("champion", rival),
            ("popularity", POPULARITY),
        )
    }
    dry_run = decide(Contest(**lists), split.test, SEED)
    print(f"Against {rival.name}: {'promote' if dry_run.promote else 'refuse'}. {dry_run.reason}")
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Register, and let the gate judge

    `retrain` does what `listenhouse retrain` does, with your candidate as the panel: it fits it to
    all data, registers it as challenger, and lets the gate decide against the real champion. The
    evidence is in `marts.fct_trainings`, `fct_model_evaluations` and `fct_model_promotions`.
    `listenhouse rollback-model` restores the previous champion.
    """)
    return


@app.cell
def _():
    register = mo.ui.run_button(label="Register and judge")
    mo.vstack([register])
    return (register,)


@app.cell
def _(own, register):
    mo.stop(
        not (register.value or "register" in mo.cli_args()),
        mo.md("Nothing is registered until the button is pressed."),
    )
    record = RunRecord(SETTINGS, "notebook own_model")
    with record.logged(), hold_run_lock(SETTINGS) as lock, record.run():
        record.begin()
        report = retrain(SETTINGS, lock, record, seed=SEED, panel=(own,))
    print_training(report)
    return


if __name__ == "__main__":
    app.run()
