"""What is left of a person in the files of the lake: every Parquet file is read.

In: what finds the person. Out: the files that have something.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.catalog import LAYERS
from lake.retention import files_below
from warehouse.settings import Settings

_IDS, _KEYS = re.compile(r"(^|_)user_id$"), re.compile(r"(^|_)user_key$")


def find_in_files(
    settings: Settings,
    source: str,
    person_id: str,
    keys: Collection[str],
    is_named_in: Callable[[str], bool],
) -> Iterator[str]:
    """Names the files in which something of a person is.

    Args:
        settings: Where the lake is.
        source: Where they are a user.
        person_id: The source's id of them.
        keys: Keys of their versions.
        is_named_in: Whether a text says an address of theirs.
    """
    known = pa.array(list(keys), pa.string())
    for layer in LAYERS:
        file_system, paths = files_below(f"{settings.lake}/{layer}")
        for path in paths:
            if not path.endswith(".parquet"):
                continue
            rows = pq.read_table(path, filesystem=file_system)
            # landing has the source in its name, and users have their id there as `id`
            landed = re.search(rf"/{layer}/([^/]+)/", path) if layer == "bronze" else None
            of_source = landed is None or landed[1].startswith(f"{source}_")
            is_users = landed is not None and landed[1] == f"{source}_users"
            if any(
                _says(rows, name, source, person_id, known, is_named_in)
                for name in rows.column_names
                if of_source or not _IDS.search(name)
            ) or (is_users and _has(rows["id"], person_id)):
                yield path


def _says(
    rows: pa.Table,
    name: str,
    source: str,
    person_id: str,
    keys: pa.Array,
    is_named_in: Callable[[str], bool],
) -> bool:
    if _KEYS.search(name):
        return bool(pc.any(pc.is_in(rows[name], keys)).as_py())
    if _IDS.search(name):
        if "source_name" in rows.column_names:
            rows = rows.filter(pc.equal(rows["source_name"], source))
        return _has(rows[name], person_id)
    if pa.types.is_string(rows[name].type):
        texts = rows[name].filter(pc.match_substring(rows[name], "@"))
        return any(map(is_named_in, texts.unique().to_pylist()))
    return False


def _has(ids: pa.ChunkedArray, person_id: str) -> bool:
    return bool(pc.any(pc.equal(pc.cast(ids, pa.string()), person_id)).as_py())
