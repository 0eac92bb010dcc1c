"""A fingerprint of rows, whatever their order: the same rows have the same, others another.

In: Arrow rows. Out: how many they are, and the sum of a hash of each, 64 bits wide.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

# of splitmix64: every bit of the input changes half of the bits of the output
_STEPS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))
_NULL = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Fingerprint:
    """What rows add up to.

    Attributes:
        row_count: How many they are.
        hash_sum: Sum of their hashes, modulo 2^64.
    """

    row_count: int
    hash_sum: int


def fingerprint(tables: Iterable[pa.Table]) -> Fingerprint:
    """The fingerprint of rows.

    Args:
        tables: Rows with the same columns, in any order of rows and columns.
    """
    row_count, hash_sum = 0, 0
    for table in tables:
        hashes = np.zeros(len(table), np.uint64)
        for name in sorted(table.column_names):
            # by name, so that two columns that change places are noticed
            salt = np.uint64(_digest(name))
            hashes += _mixed(_column_hashes(table[name].combine_chunks()) ^ salt)
        row_count += len(table)
        hash_sum += int(_mixed(hashes).sum(dtype=np.uint64))
    return Fingerprint(row_count, hash_sum % 2**64)


def _digest(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode())


def _column_hashes(values: pa.Array) -> NDArray[np.uint64]:
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        encoded = values.dictionary_encode()
        known = [_digest(text) for text in encoded.dictionary.to_pylist()]
        places = pc.fill_null(encoded.indices, len(known)).to_numpy(zero_copy_only=False)
        hashes: NDArray[np.uint64] = np.array([*known, _NULL], np.uint64)[places]
        return hashes
    if pa.types.is_floating(values.type):
        bits = pc.cast(values, pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
        numbers = bits.view(np.uint64)
    else:
        width = pa.int32() if pa.types.is_date32(values.type) else pa.int64()
        whole = pc.cast(pc.cast(values, width), pa.int64()).fill_null(0)
        numbers = whole.to_numpy(zero_copy_only=False).view(np.uint64)
    is_null = values.is_null().to_numpy(zero_copy_only=False)
    return np.where(is_null, np.uint64(_NULL), numbers)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    for shift, factor in _STEPS:
        values = np.multiply(values ^ (values >> np.uint64(shift)), np.uint64(factor))
    return values
