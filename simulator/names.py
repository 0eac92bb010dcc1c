"""Pools of invented names and words to draw from.

In: nothing. Out: arrays of text made by Faker, the same in every process. Faker is far too slow
for one call per record, so it fills pools once and numpy draws from them.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from faker import Faker

# most names as the source gives them, and enough others to find what only works with ASCII
LOCALES = {"en_US": 1500, "fr_FR": 40, "es_MX": 40, "pl_PL": 20, "ja_JP": 10}
POOL_SEED = 2026

Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Pools:
    """What names are drawn from, with repetitions where a name is frequent.

    Attributes:
        first_names: Given names.
        last_names: Family names.
        first_handles: The given names as they stand in an e-mail address, same order.
        last_handles: The family names as they stand in an e-mail address, same order.
        words: English words, for titles and albums.
        domains: Domains reserved for examples, so that no address can be anyone's.
    """

    first_names: Texts
    last_names: Texts
    first_handles: Texts
    last_handles: Texts
    words: Texts
    domains: Texts


@cache
def pools() -> Pools:
    """The pools, made once per process."""
    first: list[str] = []
    last: list[str] = []
    for locale, count in LOCALES.items():
        faker = Faker(locale)
        faker.seed_instance(POOL_SEED)
        first.extend(faker.first_name() for _ in range(count))
        last.extend(faker.last_name() for _ in range(count))
    english = Faker("en_US")
    english.seed_instance(POOL_SEED)
    words = dict.fromkeys(english.word() for _ in range(3000))
    return Pools(
        first_names=texts(first),
        last_names=texts(last),
        first_handles=texts([_handle(name) for name in first]),
        last_handles=texts([_handle(name) for name in last]),
        words=texts(list(words)),
        domains=texts(["example.com", "example.net", "example.org"]),
    )


def texts(values: list[str]) -> Texts:
    """A column of text."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _handle(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(filter(str.isalpha, plain)).lower() or "listener"
