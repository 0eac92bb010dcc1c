"""Files of an export → events, and what is none.

In: a folder, the archive that Spotify sends, or one file of it. Out: for each file its events, in
the order in which they stand there, and the records that do not fit, verbatim.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from ingestion.decoding import ContractError, MalformedPageError, Page, decode_page
from ingestion.spotify import STREAMS
from warehouse.errors import SourceError

_NAMES = ("Streaming_History_*.json", "endsong_*.json")
"""What files of the history are called, now and before 2023."""

_MORE = "ask for the extended streaming history at spotify.com/account/privacy"


@dataclass(frozen=True)
class ExportFile:
    """One file of an export.

    Attributes:
        name: What it is called, without folders.
        page: Its records.
    """

    name: str
    page: Page


def is_single_file(path: Path) -> bool:
    """Whether this is one file of an export, which says nothing about the others.

    Args:
        path: A folder, a zip archive or one file.
    """
    return not path.is_dir() and not zipfile.is_zipfile(path)


def read_export(path: Path) -> Iterator[ExportFile]:
    """Reads the files of an export, by name.

    Args:
        path: A folder, searched to its depth, a zip archive or one file.

    Yields:
        One file at a time: a history of ten years is some 100 MB.

    Raises:
        SourceError: There is no such path, no file of a history in it, or one that is none.
    """
    found = False
    for name, body in sorted_files(path):
        found = True
        try:
            # as if it were a page of an API, whose records are taken apart and judged alike
            page = decode_page(STREAMS, b'{"total":0,"items":' + body + b"}")
        except (ContractError, MalformedPageError) as error:
            raise SourceError(
                f"{name} in {path} is no list of events in JSON; nothing was landed. It may be cut "
                f"off: unpack the archive again, or {_MORE}."
            ) from error
        yield ExportFile(name, page)
    if not found:
        raise SourceError(
            f"{path} has no file {' or '.join(_NAMES)}; nothing was landed. Name the folder or "
            f"the archive of the export, or {_MORE}."
        )


def sorted_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a history, by name, with their content."""
    try:
        if path.is_dir():
            files = {found for pattern in _NAMES for found in path.rglob(pattern)}
            for file in sorted(files, key=lambda file: (file.name, file)):
                yield file.name, file.read_bytes()
        elif not is_single_file(path):
            with zipfile.ZipFile(path) as archive:
                members = {member: PurePath(member) for member in archive.namelist()}
                for member, path_in in sorted(
                    members.items(), key=lambda item: (item[1].name, item[0])
                ):
                    if any(path_in.match(pattern) for pattern in _NAMES):
                        yield path_in.name, archive.read(member)
        else:
            yield path.name, path.read_bytes()
    # what zipfile raises of a member that is damaged, encrypted or packed in another way
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise SourceError(f"{path} cannot be read ({cause}); nothing was landed.") from error
