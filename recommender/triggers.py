"""Whether a training is needed.

In: the last training, the marts, the outcome of past lists. Out: each trigger, whether it fired,
and why in a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt

import numpy as np
import psycopg

from recommender.panel import POPULARITY
from recommender.registry import Version
from warehouse.settings import RetrainTriggers

MIN_LISTENS = 500
"""New listens below which drift is not judged: so few differ by chance."""

GENRES = 20
"""Genres that drift looks at, the most played; the others count as one."""

# of a normal distribution: a 95 % interval reaches that many standard errors to each side
_Z = 1.96


@dataclass(frozen=True)
class Standing:
    """What a training would replace.

    Attributes:
        data_cutoff: The boundary of the data of the last training that succeeded, UTC.
        champion: The champion.
    """

    data_cutoff: datetime
    champion: Version


@dataclass(frozen=True)
class Trigger:
    """A trigger, judged.

    Attributes:
        name: Column `reason` of `recommendations.trainings`.
        fired: Whether it asks for a training.
        sentence: Why, or why not.
    """

    name: str
    fired: bool
    sentence: str


@dataclass(frozen=True)
class ListOutcome:
    """How the lists of a day did: a row of `marts.rpt_recommendation_lift`.

    Attributes:
        model_version: The model that they were made with.
        lift: How much more of them was listened to than of popularity's.
        upper: Upper bound of its 95 % interval.
        hit_rate: Share of users who listened to something on their list.
        user_count: Users with a list.
    """

    model_version: str | None
    lift: float
    upper: float
    hit_rate: float
    user_count: int


def judge_triggers(
    connection: psycopg.Connection,
    source_name: str,
    standing: Standing | None,
    boundary: datetime,
    thresholds: RetrainTriggers,
) -> list[Trigger]:
    """Judges every trigger.

    Args:
        connection: Connection to the warehouse.
        source_name: Whose models.
        standing: The last training and the champion; None when one of them is missing.
        boundary: What the marts are as of, UTC.
        thresholds: When to fire.

    Returns:
        The triggers, in the order in which they are taken for the reason of a training. One
        alone, where nothing else counts: before the first training, and while it is too early.
    """
    if standing is None:
        return [Trigger("first", True, "There is no champion yet.")]
    genres = _read_listens_by_genre(connection, source_name, standing.data_cutoff)
    # by the calendar: a daily run is a little earlier on some days
    days = (boundary.date() - standing.data_cutoff.date()).days
    if days < thresholds.cooldown_days:
        sentence = (
            f"The last training was {_days(days)} of data ago; within "
            f"{_days(thresholds.cooldown_days)} nothing asks for another. "
            f"{_judge_new_listens(genres, thresholds).sentence}"
        )
        return [Trigger("cooldown", False, sentence)]
    outcomes = _read_outcomes(connection, source_name)
    own = [one for one in outcomes if one.model_version == standing.champion.number]
    recent = own[-thresholds.outcome_days :]
    earlier = outcomes[: -len(recent)] if recent else outcomes
    return [
        _judge_lift(recent, standing, thresholds),
        _judge_hit_rate(recent, earlier, thresholds),
        _judge_drift(genres, thresholds),
        _judge_new_listens(genres, thresholds),
        Trigger(
            "schedule",
            days >= thresholds.days,
            f"The last training was {_days(days)} of data ago, the schedule is "
            f"{_days(thresholds.days)}.",
        ),
    ]


def _judge_lift(
    recent: Sequence[ListOutcome], standing: Standing, thresholds: RetrainTriggers
) -> Trigger:
    """Whether the lift that the champion's last days allow for, at best, is too little.

    Lift and upper bound are means over days, weighed by users: that of the bounds is the bound
    of the mean where days say the same, as those of the same users and listens nearly do.
    """
    if standing.champion.candidate.kind == POPULARITY.kind:
        return Trigger("lift", False, "The champion is popularity, which has no lift to lose.")
    if len(recent) < thresholds.outcome_days:
        return _too_early("lift", recent, thresholds)
    weights = np.array([one.user_count for one in recent], dtype=float)
    weights /= weights.sum()
    lift = float(weights @ np.array([one.lift for one in recent]))
    upper = float(weights @ np.array([one.upper for one in recent]))
    least = thresholds.lift_percent / 100
    return Trigger(
        "lift",
        upper <= least,
        f"The lift over popularity of the last {_days(len(recent))} is {lift:+.2%}, at best "
        f"{upper:+.2%}; more than {least:+.2%} is expected.",
    )


def _judge_hit_rate(
    recent: Sequence[ListOutcome], earlier: Sequence[ListOutcome], thresholds: RetrainTriggers
) -> Trigger:
    """Whether fewer users than before listen to what they are recommended.

    The fall has to be as large as the threshold, and no chance: two proportions of as many users
    as there are in a day, 95 %. Champions before this one count for what was before.
    """
    if len(recent) < thresholds.outcome_days or not earlier:
        return _too_early("hit_rate", recent, thresholds)
    now, now_users = _pool(recent)
    before, before_users = _pool(earlier)
    error = sqrt(now * (1 - now) / now_users + before * (1 - before) / before_users)
    least = before * (1 - thresholds.hit_rate_fall_percent / 100)
    return Trigger(
        "hit_rate",
        now < least and before - now > _Z * error,
        f"{now:.1%} of users listened to something on their list in the last "
        f"{_days(len(recent))}, {before:.1%} before; a fall below {least:.1%} counts.",
    )


def _judge_drift(genres: Sequence[tuple[str, int, int]], thresholds: RetrainTriggers) -> Trigger:
    """Whether other genres are played than at the training.

    The population stability index sums (now - then) · ln(now / then) over the shares of genres:
    0 when nothing changed; above 0.25 is commonly taken for a shift. By genre, as a track's own
    share says little: what was played most falls back by itself, and new tracks always come.
    """
    then = np.array([before for _, before, _ in genres], dtype=float)
    now = np.array([since for _, _, since in genres], dtype=float)
    if now.sum() < MIN_LISTENS or then.sum() < MIN_LISTENS:
        return Trigger(
            "drift",
            False,
            f"{now.sum():,.0f} new listens are too few to judge drift; {MIN_LISTENS} are not.",
        )
    # half a listen each, so that no share is 0
    then, now = ((part + 0.5) / (part + 0.5).sum() for part in (then, now))
    terms = (now - then) * np.log(now / then)
    index, most = float(terms.sum()), int(terms.argmax())
    largest = thresholds.drift_percent / 100
    return Trigger(
        "drift",
        index >= largest,
        f"Plays by genre differ from those at the training by an index of {index:.2f} (most "
        f"{genres[most][0]}: {then[most]:.0%} then, {now[most]:.0%} since); {largest:.2f} is a "
        "drift.",
    )


def _judge_new_listens(
    genres: Sequence[tuple[str, int, int]], thresholds: RetrainTriggers
) -> Trigger:
    """Whether much was listened to that the training has not seen."""
    before = sum(before for _, before, _ in genres)
    since = sum(since for _, _, since in genres)
    share = since / max(before, 1)
    return Trigger(
        "new_listens",
        share >= thresholds.new_listens_percent / 100,
        f"{since:,} listens are new since the training, {share:.1%} of those it saw; "
        f"{thresholds.new_listens_percent} % are many.",
    )


def _too_early(name: str, recent: Sequence[ListOutcome], thresholds: RetrainTriggers) -> Trigger:
    sentence = (
        f"The outcome of {_days(len(recent))} of the champion is known, "
        f"{_days(thresholds.outcome_days)} are needed, and some before."
    )
    return Trigger(name, False, sentence)


def _pool(outcomes: Sequence[ListOutcome]) -> tuple[float, float]:
    """Hit rate of some days together, and users of a day."""
    users = sum(one.user_count for one in outcomes)
    rate = sum(one.hit_rate * one.user_count for one in outcomes) / users
    return rate, users / len(outcomes)


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _read_outcomes(connection: psycopg.Connection, source_name: str) -> list[ListOutcome]:
    """The outcome of all days whose window is over; none before dbt built it."""
    row = connection.execute("select to_regclass('marts.rpt_recommendation_lift')").fetchone()
    if not row or row[0] is None:
        return []
    rows = connection.execute(
        """
        select
            model_version,
            lift::float8,
            lift_upper::float8,
            user_hit_rate::float8,
            user_count
        from marts.rpt_recommendation_lift
        where source_name = %s
            and is_window_complete
            and lift_upper is not null
        order by for_date
        """,
        (source_name,),
    )
    return [ListOutcome(*row) for row in rows]


def _read_listens_by_genre(
    connection: psycopg.Connection, source_name: str, data_cutoff: datetime
) -> list[tuple[str, int, int]]:
    """Listens up to the cutoff and since then, by the first genre of the track."""
    rows = connection.execute(
        """
        with

        counted as (

            select
                coalesce(split_part(tracks.genre_names, ', ', 1), 'no genre') as genre,
                count(*) filter (where not listens.is_new) as before,
                count(*) filter (where listens.is_new) as since
            from (
                select
                    track_id,
                    first_observed_at > %(cutoff)s::timestamptz at time zone 'UTC' as is_new
                from marts.fct_listens
                where source_name = %(source_name)s
                    and user_id is not null
            ) as listens
            left join marts.rpt_track_features as tracks
                on tracks.source_name = %(source_name)s
                and listens.track_id = tracks.track_id
            group by 1

        ),

        ranked as (

            select *, row_number() over (order by before desc, genre) <= %(genres)s as is_large
            from counted

        )

        select
            case when is_large then genre else 'other genres' end,
            sum(before)::bigint,
            sum(since)::bigint
        from ranked
        group by 1
        order by 2 desc, 1
        """,
        {"cutoff": data_cutoff, "source_name": source_name, "genres": GENRES},
    ).fetchall()
    return [(genre, before, since) for genre, before, since in rows]
