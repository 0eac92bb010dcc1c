"""Where the rows of a crawl wait on disk until the crawl is proven complete.

In: decoded records. Out: an Arrow file of typed columns with a hash per row, which streams
back in chunks. Memory holds one chunk of rows, and the keys of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from ingestion.crawl.decoding import Page
from ingestion.endpoint import Endpoint, Record
from warehouse.errors import DiskError, describe_unwritable

CHUNK_ROWS = 20_000
CHUNK_BYTES = 64_000_000
"""A chunk ends where either is reached; bytes are those of the pages, as served."""

KeyColumns = tuple[npt.NDArray[np.int64], ...]
"""The key columns of rows, one array a column; timestamps as microseconds, null as the
lowest integer."""

_NULL = np.iinfo(np.int64).min
_encoder = msgspec.json.Encoder()
_sorting_encoder = msgspec.json.Encoder(order="sorted")


class Spool:
    """The rows of one endpoint, written once, read back in order.

    Attributes:
        row_count: Rows written so far.
        undeclared_names: Undeclared fields seen so far.
        served_fields: Declared fields that some row has a value of.
    """

    def __init__(self, endpoint: Endpoint, path: Path) -> None:
        self.row_count = 0
        self.undeclared_names: set[str] = set()
        self.served_fields: set[str] = set()
        self._endpoint = endpoint
        self._path = path
        self._pending: list[Record] = []
        self._pending_undeclared: dict[int, dict[str, Any]] = {}
        self._pending_bytes = 0
        self._keys: list[tuple[npt.NDArray[np.int64], ...]] = []
        with self._on_disk():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pa.ipc.new_file(path, endpoint.spool_schema)

    def __enter__(self) -> Spool:
        """Opens the spool for writing."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Writes what is pending and closes the file."""
        if kind is not None:
            # on a full disk to close fails too, and says nothing new
            with suppress(OSError):
                self._writer.close()
            return
        self._flush()
        with self._on_disk():
            self._writer.close()

    def append(self, page: Page) -> None:
        """Adds the records of a page, in served order."""
        offset = len(self._pending)
        for position, fields in page.undeclared.items():
            self._pending_undeclared[offset + position] = fields
            self.undeclared_names.update(fields)
        self._pending.extend(page.records)
        self._pending_bytes += page.byte_count
        self.row_count += len(page.records)
        if len(self._pending) >= CHUNK_ROWS or self._pending_bytes >= CHUNK_BYTES:
            self._flush()

    def read_keys(self) -> KeyColumns:
        """The keys of all rows, in row order."""
        columns = range(len(self._endpoint.key))
        if not self._keys:
            return tuple(np.empty(0, dtype=np.int64) for _ in columns)
        return tuple(np.concatenate([chunk[column] for chunk in self._keys]) for column in columns)

    def read(self) -> Iterator[pa.RecordBatch]:
        """Streams the rows back, chunk by chunk, in the order they were appended."""
        # not mapped: pages of a mapped file count as memory of the process
        with pa.OSFile(str(self._path)) as source, pa.ipc.open_file(source) as reader:
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)

    def _flush(self) -> None:
        if not self._pending:
            return
        batch = self._to_batch(self._pending, self._pending_undeclared)
        with self._on_disk():
            self._writer.write_batch(batch)
        self.served_fields.update(
            name
            for name in self._endpoint.arrow_types
            if batch.column(name).null_count < batch.num_rows
        )
        self._keys.append(key_columns(self._endpoint, batch))
        self._pending = []
        self._pending_undeclared = {}
        self._pending_bytes = 0

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        """Says what a disk that is full means for the crawl."""
        try:
            yield
        except OSError as error:
            raise DiskError(
                "Nothing of this crawl is landed: the folder "
                f"{describe_unwritable(self._path.parent, error)}, then run again."
            ) from error

    def _to_batch(
        self, records: list[Record], undeclared: dict[int, dict[str, Any]]
    ) -> pa.RecordBatch:
        columns = []
        for name, type_ in self._endpoint.arrow_types.items():
            values: list[Any] = list(map(attrgetter(name), records))
            if name in self._endpoint.json_fields:
                values = [None if v is None else _encoder.encode(v).decode() for v in values]
            columns.append(pa.array(values, type_))
        columns.append(pa.array(hash_records(records, undeclared), pa.string()))
        encoded = {i: _sorting_encoder.encode(fields).decode() for i, fields in undeclared.items()}
        columns.append(
            pa.array([encoded.get(i) for i in range(len(records))], pa.string())
            if encoded
            else pa.nulls(len(records), pa.string())
        )
        return pa.record_batch(columns, schema=self._endpoint.spool_schema)


def hash_records(records: Sequence[Record], undeclared: dict[int, dict[str, Any]]) -> list[str]:
    """Hashes what records say, so that equal content is stored once.

    Args:
        records: The declared fields; null ones do not count.
        undeclared: Fields that the shape does not declare, by position in `records`.

    Returns:
        32 hexadecimal digits per record: xxh3-128 of its compact JSON, fields in declared
        order, followed by that of its undeclared fields, sorted by name.
    """
    contents = [_encoder.encode(record) for record in records]
    for position, fields in undeclared.items():
        contents[position] += _sorting_encoder.encode(fields)
    return [xxhash.xxh3_128_hexdigest(content) for content in contents]


def key_columns(endpoint: Endpoint, rows: pa.RecordBatch | pa.Table) -> KeyColumns:
    """Takes the key columns of rows as integers that compare fast.

    Args:
        endpoint: Whose rows they are.
        rows: Arrow rows with the endpoint's key columns.
    """
    columns = []
    for name in endpoint.key:
        column = rows.column(name).cast(endpoint.arrow_types[name]).cast(pa.int64())
        columns.append(column.fill_null(_NULL).to_numpy(zero_copy_only=False))
    return tuple(columns)


def packed_keys(keys: KeyColumns) -> npt.NDArray[np.int64]:
    """Makes one integer of each key, for set operations on millions of them.

    Args:
        keys: Key columns of rows.

    Returns:
        The key itself where it is one column, else a 64-bit mix of its columns: records are
        150 times slower to compare. Two of five million keys mix alike once in a million
        crawls, and the next crawl puts right what that does.
    """
    if len(keys) == 1:
        return keys[0]
    mixed = np.zeros(len(keys[0]), dtype=np.uint64)
    for column in keys:
        # the finaliser of splitmix64; unsigned arithmetic wraps around
        mixed = (mixed ^ column.view(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return mixed.view(np.int64)


def key_integers(key: tuple[Any, ...]) -> tuple[int, ...]:
    """Turns one key into the integers that `key_columns` uses."""
    return tuple(
        int(np.datetime64(value, "us").astype(np.int64))
        if isinstance(value, datetime)
        else int(_NULL if value is None else value)
        for value in key
    )
