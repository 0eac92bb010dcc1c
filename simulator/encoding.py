"""Records as the bytes that are served.

In: the columns of a day and, when there is one, the encoded day before. Out: one JSON object per
record, so that a page of any size is a slice put together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
import numpy as np

from simulator.contract import ListenHistoryOut, TracksOut, UsersOut
from simulator.ids import Integers
from simulator.tables import Histories, State, Table, Times, Tracks, Users, take

Endpoint = Literal["users", "tracks", "listen_history"]
Records = dict[Endpoint, list[bytes]]


def encode(state: State, previous: tuple[State, Records] | None = None) -> Records:
    """Encodes a day.

    Args:
        state: The day.
        previous: The day before it and its records, which are used again where a record did
            not change.

    Returns:
        The records of each endpoint, in the order of serving.
    """
    if previous is None:
        return {
            "users": _encoded(state.users),
            "tracks": _encoded(state.tracks),
            "listen_history": _encoded(state.histories),
        }
    before, records = previous
    return {
        "users": _renewed(state.users, before.users, records["users"], state.day),
        "tracks": _renewed(state.tracks, before.tracks, records["tracks"], state.day),
        "listen_history": _renewed(
            state.histories, before.histories, records["listen_history"], state.day
        ),
    }


def _renewed(table: Table, before: Table, records: list[bytes], day: int) -> list[bytes]:
    known = np.isin(table.serial, before.serial)
    positions: Integers = np.searchsorted(before.serial, table.serial[known])
    renewed = [records[position] for position in positions.tolist()]
    renewed.extend([b""] * (len(table) - len(renewed)))
    stale = np.flatnonzero((table.changed_on == day) | ~known)
    for row, record in zip(stale.tolist(), _encoded(take(table, stale)), strict=True):
        renewed[row] = record
    return renewed


def _encoded(table: Table) -> list[bytes]:
    names, columns = _columns(table)
    encode_record = msgspec.json.Encoder().encode
    return [
        encode_record(dict(zip(names, values, strict=True)))
        for values in zip(*columns, strict=True)
    ]


def _columns(table: Table) -> tuple[tuple[str, ...], list[Iterable[Any]]]:
    """The served columns of a table, named and ordered as the contract has them."""
    columns: dict[str, Iterable[Any]] = {
        "created_at": _written(table.created_at),
        "updated_at": _written(table.updated_at),
    }
    match table:
        case Users():
            names = tuple(UsersOut.model_fields)
        case Tracks():
            names = tuple(TracksOut.model_fields)
        case Histories():
            names = tuple(ListenHistoryOut.model_fields)
            columns["items"] = [msgspec.Raw(f"[{items}]".encode()) for items in table.items]
        case _:
            raise TypeError(f"No endpoint serves {type(table).__name__}.")
    return names, [
        columns[name] if name in columns else getattr(table, name).tolist() for name in names
    ]


def _written(times: Times) -> list[str]:
    """Timestamps as the source writes them: no zone, six digits behind the seconds."""
    written: list[str] = np.datetime_as_string(times, unit="us").tolist()
    return written
