"""Lets old publications go: their tags, their snapshots, and the files that nothing needs.

In: the tags that stay. Out: tables without the others, and folders without a file that is of none.
Files that a killed publication left behind go as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pyarrow.fs import FileSelector, FileSystem, FileType
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table
from pyiceberg.table.refs import SnapshotRefType

from lake.catalog import explained, list_tables, load_table
from warehouse.settings import Settings


def clean(catalog: SqlCatalog, settings: Settings, tags: Collection[str]) -> None:
    """Takes from every table what none of these tags needs, nor its present rows.

    Args:
        catalog: The catalog.
        settings: Where the lake is.
        tags: The tags that stay.

    Raises:
        LakeError: A table cannot be changed, or a file not deleted.
    """
    for name in list_tables(catalog):
        with explained(settings, "cleaned", name):
            table = load_table(catalog, settings, name)
            if table is not None:
                _expire(table, tags)
                _delete_files(table)


def files_below(location: str) -> tuple[FileSystem, Iterator[str]]:
    """A file system, and the paths on it of all files below a place of the lake.

    Args:
        location: URL of the place.
    """
    scheme, netloc, path = PyArrowFileIO.parse_location(location)
    file_system = PyArrowFileIO().fs_by_scheme(scheme, netloc)
    selector = FileSelector(path, recursive=True, allow_not_found=True)
    infos = file_system.get_file_info(selector)
    return file_system, (info.path for info in infos if info.type == FileType.File)


def _expire(table: Table, tags: Collection[str]) -> None:
    old = [
        name
        for name, ref in table.metadata.refs.items()
        if ref.snapshot_ref_type == SnapshotRefType.TAG and name not in tags
    ]
    if old:
        changes = table.manage_snapshots()
        for name in old:
            changes = changes.remove_tag(name)
        changes.commit()
    needed = {ref.snapshot_id for ref in table.metadata.refs.values()}
    unneeded = [
        snapshot.snapshot_id
        for snapshot in table.metadata.snapshots
        if snapshot.snapshot_id not in needed
    ]
    if unneeded:
        table.maintenance.expire_snapshots().by_ids(unneeded).commit()


def _delete_files(table: Table) -> None:
    file_system, paths = files_below(table.location())
    needed = set(map(_path, _needed_files(table)))
    for path in paths:
        if path not in needed:
            file_system.delete_file(path)


def _needed_files(table: Table) -> Iterator[str]:
    yield table.metadata_location
    yield from (entry.metadata_file for entry in table.metadata.metadata_log)
    seen: set[str] = set()
    for snapshot in table.metadata.snapshots:
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in seen:
                continue
            seen.add(manifest.manifest_path)
            yield manifest.manifest_path
            # others list what is gone
            if manifest.has_added_files() or manifest.has_existing_files():
                for entry in manifest.fetch_manifest_entry(table.io):
                    yield entry.data_file.file_path


def _path(location: str) -> str:
    return PyArrowFileIO.parse_location(location)[2]
