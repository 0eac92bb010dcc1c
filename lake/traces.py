"""What is left of a person in the files of the lake: every Parquet file is read.

In: what finds the person. Out: the files that have something.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.catalog import LAYERS, explained
from lake.retention import files_below
from warehouse.settings import Settings

_IDS, _KEYS = re.compile(r"(^|_)user_id$"), re.compile(r"(^|_)user_key$")


@dataclass(frozen=True)
class Sought:
    """What finds a person.

    Attributes:
        source: Where they are a user.
        person_id: The source's id of them.
        keys: Keys of their versions.
        is_named_in: Whether a text says an address of theirs.
    """

    source: str
    person_id: str
    keys: Collection[str]
    is_named_in: Callable[[str], bool]


def find_in_files(settings: Settings, sought: Sought) -> Iterator[str]:
    """Names the files in which something of a person is.

    Args:
        settings: Where the lake is.
        sought: What finds them.
    """
    for layer in LAYERS:
        file_system, paths = files_below(f"{settings.lake}/{layer}")
        for path in paths:
            if path.endswith(".parquet"):
                with explained(settings, "read", f"file {path}"):
                    rows = pq.read_table(path, filesystem=file_system)
                # landing has the source in its name
                landed = re.search(r"/bronze/([^/]+)/", path)
                if any(_says(rows, name, landed, sought) for name in rows.column_names):
                    yield path


def _says(rows: pa.Table, name: str, landed: re.Match[str] | None, sought: Sought) -> bool:
    """Whether a column says something of the person."""
    if _KEYS.search(name):
        known = pa.array(list(sought.keys), pa.string())
        return bool(pc.any(pc.is_in(rows[name], known)).as_py())
    # users have their own id
    if _IDS.search(name) or (name == "id" and landed and landed[1] == f"{sought.source}_users"):
        if landed and not landed[1].startswith(f"{sought.source}_"):
            return False
        if "source_name" in rows.column_names:
            rows = rows.filter(pc.equal(rows["source_name"], sought.source))
        ids = pc.cast(rows[name], pa.string())
        return bool(pc.any(pc.equal(ids, sought.person_id)).as_py())
    if pa.types.is_string(rows[name].type):
        texts = rows[name].filter(pc.match_substring(rows[name], "@"))
        return any(map(sought.is_named_in, texts.unique().to_pylist()))
    return False
