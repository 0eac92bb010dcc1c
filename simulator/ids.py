"""Ids that look random, never repeat, and can be told in advance.

In: running numbers. Out: ids. A record's id depends on its running number only, so a listen can
name a track that appears tomorrow, and no id is ever given to a second record.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

MIN_IDS = 100_000
IDS_PER_RECORD = 20


def scrambled_ids(serials: Integers, expected: int, seed: tuple[int, int]) -> Integers:
    """Gives each running number its id.

    Cubing is a permutation of the numbers below a prime p with p mod 3 = 2; two rounds of it
    around random shifts leave no pattern to see.

    Args:
        serials: Running numbers from 0.
        expected: How many records the world begins with; ids are spread over 20 times that,
            and over 100,000 at least.
        seed: Which permutation.

    Returns:
        Distinct ids from 1, in the order of the serials.
    """
    prime = _prime_above(max(MIN_IDS, IDS_PER_RECORD * expected))
    shifts = np.random.default_rng(seed).integers(0, prime, size=2)
    lap, numbers = np.divmod(serials, prime)
    for shift in shifts:
        numbers = (numbers + shift) % prime
        numbers = (numbers * numbers % prime) * numbers % prime
    ids: Integers = 1 + numbers + lap * prime
    return ids


@cache
def _prime_above(number: int) -> int:
    candidate = number + 1
    while candidate % 3 != 2 or not _is_prime(candidate):  # noqa: PLR2004 (p mod 3 = 2)
        candidate += 1
    return candidate


def _is_prime(number: int) -> bool:
    return all(number % divisor for divisor in range(2, int(number**0.5) + 1))
