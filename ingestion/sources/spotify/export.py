"""Files of an export → events, and what is none.

In: a folder, the archive that Spotify sends, or one file of it. Out: for each file its events, in
the order in which they stand there, and the records that do not fit, verbatim.
"""

from __future__ import annotations

import codecs
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath

from ingestion.crawl.decoding import ContractError, MalformedPageError, Page, decode_page
from ingestion.endpoint import Endpoint
from ingestion.sources.spotify import ACCOUNT_STREAMS, STREAMS
from warehouse.errors import SourceError

_NAMES = ("Streaming_History_*.json", "endsong*.json", "StreamingHistory*.json")
"""What files of a history are called: the extended one now and before 2023, the account data's."""

_MAX_DEPTH = 3
"""Archives within archives."""

_MAX_BYTES = 512 * 2**20
"""Of one file, or of an archive within another; Spotify's have some 12 MB."""

_MORE = "ask for the extended streaming history at spotify.com/account/privacy"

_TIMES = {b"ts": STREAMS, b"endTime": ACCOUNT_STREAMS}
_TIME = re.compile(rb'"(ts|endTime)"\s*:')
"""The field that only one kind of event has; within a text its quotes would be escaped."""


@dataclass(frozen=True)
class ExportFile:
    """One file of an export.

    Attributes:
        name: What it is called, without folders.
        endpoint: What its events are.
        page: Its records.
    """

    name: str
    endpoint: Endpoint
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
        path: A folder, searched to its depth, a zip archive or one file. Archives in either are
            read as well.

    Yields:
        One file at a time: a history of ten years is some 100 MB.

    Raises:
        SourceError: There is no such path, no file of a history in it, or one that is none.
    """
    found = False
    for name, body in sorted_files(path):
        found = True
        try:
            yield _decode(name, body)
        except (ContractError, MalformedPageError, UnicodeDecodeError) as error:
            raise SourceError(
                f"{name} in {path} is not a list of events in JSON; nothing was landed. It may be "
                f"cut off: unpack the archive again, or {_MORE}."
            ) from error
        except _NoHistoryError as error:
            raise SourceError(
                f"{name} in {path} is not a streaming history: no record has the time of an event "
                f"(`ts` or `endTime`); nothing was landed. Name a file {' or '.join(_NAMES)}, or "
                f"{_MORE}."
            ) from error
    if not found:
        raise SourceError(
            f"{path} has no file {' or '.join(_NAMES)}; nothing was landed. Name the folder or "
            f"the archive of the export, or {_MORE}."
        )


class _NoHistoryError(Exception):
    """A list of records, of which none is an event."""


def _decode(name: str, body: bytes) -> ExportFile:
    body = _in_utf8(body)
    time = _TIME.search(body)
    endpoint = _TIMES[time[1]] if time else STREAMS
    # as if it were a page of an API, whose records are taken apart and judged alike
    page = decode_page(endpoint, b'{"total":0,"items":' + body + b"}")
    if page.row_count and time is None:
        raise _NoHistoryError
    return ExportFile(name, endpoint, page)


def _in_utf8(body: bytes) -> bytes:
    """The file without a byte-order mark, and in UTF-8 where an editor saved it in UTF-16."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode(json.detect_encoding(body)).encode()
    # not decoded: bytes that are no UTF-8 cost their record only
    return body.removeprefix(codecs.BOM_UTF8)


@dataclass(frozen=True)
class _Found:
    """A file of a history, not read yet."""

    name: str
    location: str
    read: Callable[[], bytes]


def sorted_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a history, by name, with their content."""
    try:
        if is_single_file(path):
            yield path.name, path.read_bytes()
            return
        with ExitStack() as opened:
            files = _in_folder(opened, path) if path.is_dir() else _in_archive(opened, path, 1)
            for file in sorted(files, key=lambda file: (file.name, file.location)):
                yield file.name, file.read()
    # what zipfile raises of a member that is damaged, encrypted or packed in another way
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise SourceError(f"{path} cannot be read ({cause}); nothing was landed.") from error


def _in_folder(opened: ExitStack, folder: Path) -> Iterator[_Found]:
    for file in folder.rglob("*"):
        if _is_history(file.name) and file.is_file():
            yield _Found(file.name, str(file), file.read_bytes)
        elif file.suffix.lower() == ".zip" and file.is_file():
            yield from _in_archive(opened, file, 1)


def _in_archive(
    opened: ExitStack, file: Path | io.BytesIO, depth: int, name: str = ""
) -> Iterator[_Found]:
    name = name or str(file)
    try:
        archive = opened.enter_context(zipfile.ZipFile(file))
    except zipfile.BadZipFile as error:
        raise zipfile.BadZipFile(f"{PurePosixPath(name).name}: {error}") from error
    for member in archive.infolist():
        path = PurePosixPath(member.filename)
        is_archive = path.suffix.lower() == ".zip"
        if member.is_dir() or not (is_archive or _is_history(path.name)):
            continue
        # zipfile reads no more than it says here
        if member.file_size > _MAX_BYTES:
            raise zipfile.BadZipFile(f"{path.name} has more than {_MAX_BYTES >> 20} MB")
        location = f"{name}/{member.filename}"
        if not is_archive:
            yield _Found(path.name, location, partial(archive.read, member))
        elif depth < _MAX_DEPTH:
            nested = io.BytesIO(archive.read(member))
            yield from _in_archive(opened, nested, depth + 1, location)
        else:
            raise zipfile.BadZipFile(
                f"{path.name} is an archive in {_MAX_DEPTH} others: unpack it first"
            )


def _is_history(name: str) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in _NAMES)
