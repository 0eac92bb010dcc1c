"""The rows of a table, written as one snapshot: all of them anew, or those of changed units.

In: Arrow tables of a bounded number of rows. Out: Parquet files, and one Iceberg transaction.

PyIceberg deletes by rewriting files (copy on write). It does so with a filter of all keys over
tables of any size; here it is one file at a time, and one snapshot with what is new.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import _dataframe_to_data_files
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema
from pyiceberg.table import Table, Transaction

from lake.snapshot import chunked
from lake.warehouse_tables import KEY_SEPARATOR, LakeTable

_MAX_SHARE = 0.5
"""Of the rows of a table, above which its files are read for too little that stays."""

_MIN_ROWS = 5_000
"""Of a file, below which it is written together with others as soon as any of them is written."""


@dataclass(frozen=True)
class Target:
    """What is written.

    Attributes:
        table: The table in the lake.
        source: What it is to be.
        summary: What its new snapshot says of itself.
    """

    table: Table
    source: LakeTable
    summary: Mapping[str, str]


def replace_all(target: Target, chunks: Iterator[pa.Table], *, without_trace: bool) -> None:
    """Replaces all rows, and brings the columns in line.

    Args:
        target: What is written.
        chunks: All its rows, sorted as it is.
        without_trace: Leave nothing of what was before in the present snapshot: a list of files
            that are gone has the least and the greatest value of each column.
    """
    old = [task.file for task in target.table.scan().plan_files()]
    with target.table.transaction() as transaction:
        _follow_columns(transaction, target.source.schema)
        _write(transaction, target, old, chunks)
        if without_trace:
            # the next snapshot does not repeat that list
            transaction.update_snapshot(
                snapshot_properties=dict(target.summary)
            ).fast_append().commit()


def find_units(target: Target, keys: pa.Array) -> tuple[list[DataFile], bool]:
    """Finds the files that rows of units are in, and small ones.

    Args:
        target: What is to be written.
        keys: The units, as texts; the columns of a unit are joined by `KEY_SEPARATOR`.

    Returns:
        The files, partition by partition, and whether to replace the whole table takes less.
    """
    table, unit = target.table, target.source.unit
    touched: list[DataFile] = []
    row_count = of_units = 0
    for task in sorted(table.scan().plan_files(), key=lambda task: str(task.file.partition)):
        found = pc.sum(_is_of(keys, _read(table, task.file, unit), unit)).as_py() or 0
        row_count += task.file.record_count
        of_units += found
        if found or task.file.record_count < _MIN_ROWS:
            touched.append(task.file)
    return touched, of_units > _MAX_SHARE * row_count


def replace_units(
    target: Target, keys: pa.Array, touched: Sequence[DataFile], chunks: Iterator[pa.Table]
) -> None:
    """Replaces the rows of units.

    Args:
        target: What is written.
        keys: The units, as in `find_units`.
        touched: The files that they are in.
        chunks: The rows that they have now.
    """
    table, schema, unit = target.table, target.source.schema, target.source.unit

    def kept() -> Iterator[pa.Table]:
        for file in touched:
            rows = _read(table, file, schema.names)
            yield rows.filter(pc.invert(_is_of(keys, rows, unit))).cast(schema)

    with table.transaction() as transaction:
        rows = chunked(chain(kept(), chunks))
        if target.source.month_of:
            rows = (chunk.sort_by(target.source.month_of) for chunk in rows)
        _write(transaction, target, touched, rows)


def _is_of(keys: pa.Array, rows: pa.Table, unit: Sequence[str]) -> pa.ChunkedArray:
    """Whether each row is of one of these units."""
    texts = [pc.cast(rows[name], pa.string()) for name in unit]
    joined = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, KEY_SEPARATOR)
    return pc.is_in(joined, keys)


def _read(table: Table, file: DataFile, columns: Sequence[str]) -> pa.Table:
    with table.io.new_input(file.file_path).open() as stream:
        return pq.read_table(stream, columns=list(columns))


def _write(
    transaction: Transaction,
    target: Target,
    old: Sequence[DataFile],
    chunks: Iterator[pa.Table],
) -> None:
    """Takes files from the table and adds rows to it, in one snapshot."""
    producer = transaction.update_snapshot(snapshot_properties=dict(target.summary)).overwrite()
    with producer as snapshot:
        for file in old:
            snapshot.delete_data_file(file)
        numbers = count()
        for chunk in chunks:
            for file in _dataframe_to_data_files(
                table_metadata=transaction.table_metadata,
                df=chunk,
                io=target.table.io,
                write_uuid=snapshot.commit_uuid,
                counter=numbers,
            ):
                snapshot.append_data_file(file)


def columns_of(schema: Schema) -> dict[str, pa.DataType]:
    """The columns of a table in the lake, with their types as `lake.columns` maps them.

    Args:
        schema: The table's.
    """
    arrow = schema.as_arrow()
    # Arrow has two types for a text
    return {
        field.name: pa.string() if pa.types.is_large_string(field.type) else field.type
        for field in arrow
    }


def _follow_columns(transaction: Transaction, schema: pa.Schema) -> None:
    """Takes columns that are gone and adds new ones; another type makes another column."""
    wanted = {field.name: field.type for field in schema}
    known = columns_of(transaction.table_metadata.schema())
    gone = [name for name, arrow_type in known.items() if wanted.get(name) != arrow_type]
    if gone:
        with transaction.update_schema(allow_incompatible_changes=True) as update:
            for name in gone:
                update.delete_column(name)
    if len(known) - len(gone) < len(wanted):
        with transaction.update_schema() as update:
            update.union_by_name(schema)
