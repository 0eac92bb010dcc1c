"""New users and tracks, with everything they are born with.

In: how many, from which running number, and the span of time they are created in. Out: `Users`
and `Tracks` to append to a world, and single values to draw anew when one changes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.config import WorldConfig
from simulator.genres import GENDERS, GENRES, SCENES, SCENES_PER_GENRE, spellings
from simulator.ids import Integers, scrambled_ids
from simulator.names import Texts, pools, texts
from simulator.spans import YEAR_MICROSECONDS, Span
from simulator.tables import (
    Factors,
    Floats,
    Times,
    Tracks,
    Users,
    flag,
    moments,
)

UPDATED_BEFORE_CREATED = 0.25
"""Share of users and tracks whose `updated_at` lies before their `created_at`."""

SHARED_EMAIL = 0.02
NUMBERED_EMAIL = 0.5
GENRE_IN_OTHER_SPELLING = 0.05
GENRE_LIST = 0.1
RELATED_SECOND_GENRE = 0.7
CROSSOVER_TRACK = 0.2
CROSSOVER_NAMED = 0.5
TRACK_NAMES_GENRE = 0.12
TRACK_NAMES_NOISE = 0.15
TRACKS_PER_ARTIST = 5
ARTIST_WRITES = 0.5
TWO_SONGWRITERS = 0.1
LONG_TITLE = 0.3
UNKNOWN_DURATION = 0.005
ODD_DURATION = 0.1
TYPICAL_SECONDS = 220
MAX_SECONDS = 59 * 60 + 58
POPULARITY_SIGMA = 1.6
"""The popularity of tracks is log-normal: at 1.6 the best tenth draws 62 % of the listens."""

USER_IDS, TRACK_IDS = 11, 12
"""Which permutation of ids, next to the seed."""

GENRE_WEIGHTS: Floats = 1 / (4 + np.arange(len(GENRES)))
GENRE_WEIGHTS /= GENRE_WEIGHTS.sum()


def born_users(
    rng: np.random.Generator, config: WorldConfig, serials: Integers, span: Span
) -> Users:
    """Makes users.

    Args:
        rng: Source of chance.
        config: The world they are born into.
        serials: Their running numbers.
        span: When they are created; they appear on its day.

    Returns:
        As many users as serials.
    """
    count, names = len(serials), pools()
    first = rng.integers(len(names.first_names), size=count)
    last = rng.integers(len(names.last_names), size=count)
    emails = drawn_emails(rng, first, last)
    if count:
        sharing = np.flatnonzero(flag(rng, SHARED_EMAIL, count))
        emails[sharing] = emails[rng.integers(count, size=len(sharing))]
    tastes = drawn_tastes(rng, count)
    created_at = moments(rng, span.end, span.microseconds, count)
    return Users(
        serial=serials,
        changed_on=np.full(count, span.day, dtype=np.int64),
        id=scrambled_ids(serials, config.users, (config.seed, USER_IDS)),
        first_name=names.first_names[first],
        last_name=names.last_names[last],
        email=emails,
        gender=drawn_genders(rng, count),
        favorite_genres=written_favorites(rng, tastes),
        tastes=tastes,
        created_at=created_at,
        updated_at=updates(rng, created_at, span.end),
    )


def born_tracks(
    rng: np.random.Generator, config: WorldConfig, serials: Integers, span: Span
) -> Tracks:
    """Makes tracks; arguments and result as in `born_users`."""
    count = len(serials)
    # artists follow a long tail of their own, and are the same people on every day
    artists = np.random.default_rng([config.seed, TRACK_IDS])
    pool = max(1, config.tracks // TRACKS_PER_ARTIST)
    artist_names = drawn_people(artists, pool)
    artist = (pool * rng.random(count) ** 2).astype(np.int64)
    scenes = _drawn_scenes(rng, count)
    created_at = moments(rng, span.end, span.microseconds, count)
    songwriters = drawn_people(rng, count)
    self_written = np.flatnonzero(flag(rng, ARTIST_WRITES, count))
    songwriters[self_written] = artist_names[artist[self_written]]
    duets = np.flatnonzero(flag(rng, TWO_SONGWRITERS, count))
    songwriters[duets] = songwriters[duets] + ", " + drawn_people(rng, len(duets))
    return Tracks(
        serial=serials,
        changed_on=np.full(count, span.day, dtype=np.int64),
        id=scrambled_ids(serials, config.tracks, (config.seed, TRACK_IDS)),
        name=drawn_titles(rng, count),
        artist=artist_names[artist],
        songwriters=songwriters,
        duration=drawn_durations(rng, count),
        genres=written_genres(rng, scenes),
        album=drawn_titles(rng, count),
        scenes=scenes,
        popularity=rng.lognormal(0, POPULARITY_SIGMA, size=count),
        created_at=created_at,
        updated_at=updates(rng, created_at, span.end),
    )


def updates(rng: np.random.Generator, created_at: Times, now: np.datetime64) -> Times:
    """Moments of last change: between creation and now, or for a quarter before creation."""
    lived = (now - created_at).astype(np.int64)
    later = created_at + (rng.random(len(created_at)) * lived).astype("timedelta64[us]")
    earlier = moments(rng, created_at, YEAR_MICROSECONDS, len(created_at))
    return np.where(flag(rng, UPDATED_BEFORE_CREATED, len(created_at)), earlier, later)


def drawn_emails(rng: np.random.Generator, first: Integers, last: Integers) -> Texts:
    """Addresses made from names; for large worlds they repeat by themselves too."""
    names = pools()
    count = len(first)
    handles = names.first_handles[first] + "." + names.last_handles[last]
    numbered = np.flatnonzero(rng.random(count) < NUMBERED_EMAIL)
    numbers = rng.integers(1, 100, size=len(numbered)).astype(str).astype(object)
    handles[numbered] = handles[numbered] + numbers
    domains = names.domains[rng.integers(len(names.domains), size=count)]
    emails: Texts = handles + "@" + domains
    return emails


def drawn_genders(rng: np.random.Generator, count: int) -> Texts:
    """Nine genders, equally often."""
    return texts(list(GENDERS))[rng.integers(len(GENDERS), size=count)]


def drawn_people(rng: np.random.Generator, count: int) -> Texts:
    """Full names."""
    names = pools()
    people: Texts = (
        names.first_names[rng.integers(len(names.first_names), size=count)]
        + " "
        + names.last_names[rng.integers(len(names.last_names), size=count)]
    )
    return people


def drawn_titles(rng: np.random.Generator, count: int) -> Texts:
    """Titles of one or two words, so that they repeat."""
    words = pools().words
    titles = words[rng.integers(len(words), size=count)]
    longer = np.flatnonzero(rng.random(count) < LONG_TITLE)
    titles[longer] = titles[longer] + " " + words[rng.integers(len(words), size=len(longer))]
    return titles


def drawn_durations(rng: np.random.Generator, count: int) -> Texts:
    """Durations as `MM:SS`: mostly songs, some anything up to 59:58, a few 00:00."""
    seconds = np.rint(rng.lognormal(np.log(TYPICAL_SECONDS), 0.35, size=count)).astype(np.int64)
    odd = np.flatnonzero(flag(rng, ODD_DURATION, count))
    seconds[odd] = rng.integers(MAX_SECONDS + 1, size=len(odd))
    seconds[flag(rng, UNKNOWN_DURATION, count)] = 0
    seconds = np.minimum(seconds, MAX_SECONDS)
    clock = texts([f"{value // 60:02d}:{value % 60:02d}" for value in range(MAX_SECONDS + 1)])
    return clock[seconds]


def written_favorites(rng: np.random.Generator, tastes: Factors) -> Texts:
    """What users type as their favourite genres: mostly the genre of their first scene."""
    genres = texts(list(GENRES))
    count = len(tastes)
    main, second = tastes[:, 0] // SCENES_PER_GENRE, tastes[:, 2] // SCENES_PER_GENRE
    written = genres[main]
    listing = np.flatnonzero(flag(rng, GENRE_LIST, count))
    written[listing] = written[listing] + ", " + genres[second[listing]]
    for row in np.flatnonzero(flag(rng, GENRE_IN_OTHER_SPELLING, count)):
        written[row] = _one_of(rng, spellings(GENRES[main[row]]))
    return written


def written_genres(rng: np.random.Generator, scenes: Factors) -> Texts:
    """What tracks carry as genres: a scene, now and then a genre, a list or any word."""
    words = pools().words
    count = len(scenes)
    names = texts(list(SCENES))
    main = scenes[:, 0]
    written = names[main]
    chance = rng.random(count)
    for row in np.flatnonzero(chance < TRACK_NAMES_GENRE):
        genre = GENRES[main[row] // SCENES_PER_GENRE]
        written[row] = _one_of(rng, (genre, *spellings(genre)))
    listing = np.flatnonzero((scenes[:, 1] >= 0) & (rng.random(count) < CROSSOVER_NAMED))
    written[listing] = written[listing] + ", " + names[scenes[listing, 1]]
    for row in np.flatnonzero(rng.random(count) < GENRE_IN_OTHER_SPELLING):
        written[row] = written[row].lower()
    noise = np.flatnonzero(chance > 1 - TRACK_NAMES_NOISE)
    written[noise] = words[rng.integers(len(words), size=len(noise))]
    return written


def drawn_tastes(rng: np.random.Generator, count: int) -> Factors:
    """Three scenes per user: two of a favourite genre, one mostly of its neighbour."""
    main = rng.choice(len(GENRES), p=GENRE_WEIGHTS, size=count)
    anything = rng.integers(1, len(GENRES), size=count)
    neighbour = rng.choice((1, -1), size=count)
    step = np.where(rng.random(count) < RELATED_SECOND_GENRE, neighbour, anything)
    first = rng.integers(SCENES_PER_GENRE, size=count)
    second = (first + rng.integers(1, SCENES_PER_GENRE, size=count)) % SCENES_PER_GENRE
    return np.stack(
        [
            main * SCENES_PER_GENRE + first,
            main * SCENES_PER_GENRE + second,
            _scene_in((main + step) % len(GENRES), rng),
        ],
        axis=1,
    ).astype(np.int16)


def _one_of(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[rng.integers(len(options))]


def _drawn_scenes(rng: np.random.Generator, count: int) -> Factors:
    genre = rng.choice(len(GENRES), p=GENRE_WEIGHTS, size=count)
    neighbour = (genre + rng.choice((1, -1), size=count)) % len(GENRES)
    crossover = rng.random(count) < CROSSOVER_TRACK
    return np.stack(
        [_scene_in(genre, rng), np.where(crossover, _scene_in(neighbour, rng), -1)], axis=1
    ).astype(np.int16)


def _scene_in(genre: Integers, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return genre * SCENES_PER_GENRE + rng.integers(SCENES_PER_GENRE, size=len(genre))
