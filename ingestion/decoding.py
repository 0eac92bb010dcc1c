"""Page body → typed records, undeclared fields and rejected records.

A page whose records all fit is decoded in one go. A page that does not fit is taken apart
record by record, so that one bad record costs itself and not its neighbours.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec

from ingestion.endpoint import Endpoint, Record
from warehouse.errors import SourceError

# what Python's own encoder writes for NaN and Infinity is no JSON; it costs its record only
_NO_NUMBER = object()

RecordT = TypeVar("RecordT", bound=Record)


class MalformedPageError(Exception):
    """The body is no JSON: cut in the middle, an HTML page; worth another try."""


class ContractError(SourceError):
    """The body is JSON, but not a page; another try would not help."""


@dataclass(frozen=True)
class RejectedRecord:
    """A record that does not fit its endpoint's shape.

    Attributes:
        record: The record as it was served.
        reason: What is wrong with it; never quotes its values.
        key: Its key, as far as that can be read, else None.
        person_id: Whose it is, as far as that can be read, else None.
    """

    record: str
    reason: str
    key: tuple[Any, ...] | None
    person_id: int | None = None


@dataclass(frozen=True)
class Page:
    """One decoded page.

    Attributes:
        total: Rows of the endpoint, as the page reports it.
        records: Those that fit, in served order.
        undeclared: Fields that the shape does not declare, by position in `records`.
        rejected: Those that do not fit.
        forgotten: Rows of people who were forgotten, which are in neither.
    """

    total: int
    records: list[Record]
    undeclared: dict[int, dict[str, Any]] = field(default_factory=dict)
    rejected: list[RejectedRecord] = field(default_factory=list)
    forgotten: int = 0

    @property
    def row_count(self) -> int:
        """Rows that the page served."""
        return len(self.records) + len(self.rejected) + self.forgotten


class _Envelope(msgspec.Struct, Generic[RecordT]):
    items: list[RecordT]
    total: int


@cache
def _page_decoder(record: type[RecordT]) -> msgspec.json.Decoder[_Envelope[RecordT]]:
    return msgspec.json.Decoder(_Envelope[record])  # type: ignore[valid-type]


def decode_page(endpoint: Endpoint, body: bytes) -> Page:
    """Decodes one page of an endpoint.

    Args:
        endpoint: Whose page it is.
        body: What the API answered.

    Returns:
        The page, with every row it served either in `records` or in `rejected`.

    Raises:
        MalformedPageError: The body is no JSON.
        ContractError: The body is JSON, but holds no list `items` or no number `total`.
    """
    # PostgreSQL stores no NUL character, escaped or not: such a page is taken apart
    if rb"\u0000" not in body and b"\x00" not in body:
        try:
            envelope = _page_decoder(endpoint.record).decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        else:
            return Page(total=envelope.total, records=list(envelope.items))
    return _decode_record_by_record(endpoint, body)


def _decode_record_by_record(endpoint: Endpoint, body: bytes) -> Page:
    # bytes that are no UTF-8 survive as lone surrogates, and are rejected with their record
    text = body.decode("utf-8", errors="surrogateescape")
    total, elements = _split(endpoint, text)
    page = Page(total=total, records=[])
    for served, value in elements:
        try:
            record, undeclared = _fit(endpoint, value)
        except (msgspec.ValidationError, ValueError) as error:
            verbatim = served.encode("utf-8", errors="surrogateescape")
            page.rejected.append(
                RejectedRecord(
                    record=verbatim.decode("utf-8", errors="backslashreplace"),
                    reason=str(error),
                    key=_readable_key(endpoint, value),
                    person_id=readable_person(endpoint, value),
                )
            )
        else:
            if undeclared:
                page.undeclared[len(page.records)] = undeclared
            page.records.append(record)
    return page


def _split(endpoint: Endpoint, text: str) -> tuple[int, list[tuple[str, Any]]]:
    """Takes a page apart: the total, and each element as served and as decoded."""
    # not strict: a raw control character costs its record, not the page
    decoder = json.JSONDecoder(parse_constant=lambda _name: _NO_NUMBER, strict=False)
    try:
        envelope = decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise MalformedPageError("the answer is no JSON") from error
    if not isinstance(envelope, dict) or not isinstance(envelope.get("items"), list):
        raise ContractError(f"/{endpoint.name}: the answer is JSON without a list `items`")
    total = envelope.get("total")
    if not isinstance(total, int) or isinstance(total, bool):
        raise ContractError(f"/{endpoint.name}: the answer has no number `total`")
    start = re.search(r'"items"\s*:\s*\[\s*', text)
    if start is None:
        raise ContractError(f"/{endpoint.name}: the name `items` is written with escapes")
    elements = []
    position = start.end()
    separator = re.compile(r"\s*,\s*")
    for expected in envelope["items"]:
        try:
            value, end = decoder.raw_decode(text, position)
        except ValueError:
            value, end = None, position
        if value != expected:
            raise ContractError(f"/{endpoint.name}: another member before `items` has that name")
        elements.append((text[position:end], value))
        comma = separator.match(text, end)
        position = comma.end() if comma else end
    return total, elements


def _fit(endpoint: Endpoint, value: Any) -> tuple[Record, dict[str, Any]]:
    """Makes a declared record of a decoded value, and sets undeclared fields apart."""
    if not isinstance(value, dict):
        raise ValueError(f"Expected `object`, got `{_json_type(value)}`")
    value = endpoint.understand(value)
    _refuse_unstorable(value, "$")
    declared = {name: value[name] for name in endpoint.arrow_types if name in value}
    for name, type_ in endpoint.arrow_types.items():
        if type_ == "timestamp[us]" and isinstance(declared.get(name), str):
            declared[name] = _without_zone(declared[name], name)
    record = msgspec.convert(declared, endpoint.record)
    return record, {name: value[name] for name in value if name not in endpoint.arrow_types}


def _without_zone(text: str, name: str) -> datetime:
    """Reads a timestamp; one that carries a zone, unasked, becomes UTC."""
    try:
        moment = msgspec.convert(text, datetime)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (msgspec.ValidationError, OverflowError) as error:
        raise ValueError(f"{error} - at `$.{name}`") from error


def _readable_key(endpoint: Endpoint, value: Any) -> tuple[Any, ...] | None:
    """Reads a rejected record's key as generously as it can be meant: "17" is 17."""
    if not isinstance(value, dict):
        return None
    types = {field.name: field.type for field in msgspec.structs.fields(endpoint.record)}
    key = []
    try:
        for name in endpoint.key:
            part = value.get(name)
            if endpoint.arrow_types[name] == "timestamp[us]" and isinstance(part, str):
                part = _without_zone(part, name)
            key.append(msgspec.convert(part, types[name], strict=False))
    except (msgspec.ValidationError, ValueError):
        return None
    return tuple(key)


def readable_person(endpoint: Endpoint, value: Any) -> int | None:
    """Reads whose record it is, as generously as it can be meant.

    Args:
        endpoint: Whose record it is.
        value: A record, as JSON has it.
    """
    if endpoint.person is None or not isinstance(value, dict):
        return None
    try:
        return msgspec.convert(value.get(endpoint.person), int, strict=False)
    except msgspec.ValidationError:
        return None


def _refuse_unstorable(value: Any, path: str) -> None:
    """Raises on what PostgreSQL cannot store: NUL characters, lone surrogates, no numbers."""
    if value is _NO_NUMBER:
        raise ValueError(f"NaN and Infinity are no numbers - at `{path}`")
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError(f"Text holds a NUL character - at `{path}`")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError(f"Text is no valid Unicode - at `{path}`")
    elif isinstance(value, dict):
        for name, member in value.items():
            _refuse_unstorable(name, f"{path}.*")
            _refuse_unstorable(member, f"{path}.*" if path != "$" else f"$.{name}")
    elif isinstance(value, list):
        for member in value:
            _refuse_unstorable(member, f"{path}[...]")


def _json_type(value: Any) -> str:
    names = {
        type(None): "null",
        bool: "bool",
        int: "int",
        float: "float",
        str: "str",
        list: "array",
    }
    return names.get(type(value), "no JSON value")
