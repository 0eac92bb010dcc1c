"""Page body → typed records, undeclared fields and rejected records.

A page whose records all fit is decoded in one go. A page that does not fit is taken apart
record by record, so that one bad record costs itself and not its neighbours. That holds for a
record that is no JSON, too: where it ends is then found by its brackets, or by where the next one
begins.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

from ingestion.endpoint import Endpoint, Record
from warehouse.errors import SourceError

MAX_RECORD_BYTES = 16_000_000
"""Length of a record: a history of two million listens."""

MAX_DEPTH = 100
"""Levels of lists and objects in a record."""

MAX_DIGITS = 1_000
"""Digits of an integer."""

MAX_NAME_LENGTH = 255
"""Characters of a field's name."""

# ends of a broken record that are tried: the more, the longer a hostile page takes
_MAX_ENDS_TRIED = 16

RecordT = TypeVar("RecordT", bound=Record)


@dataclass(frozen=True)
class _Unusable:
    """Stands where a record has a number that cannot be kept; it costs its record only."""

    reason: str


_NO_NUMBER = _Unusable("NaN and Infinity are no numbers")
_TOO_LONG = _Unusable(f"Integer of more than {MAX_DIGITS:,} digits")
_OUT_OF_RANGE = _Unusable("Number out of the range of double precision")


def _integer(digits: str) -> int | _Unusable:
    return int(digits) if len(digits.lstrip("-")) <= MAX_DIGITS else _TOO_LONG


def _fraction(text: str) -> float | _Unusable:
    number = float(text)
    # 1e999 would become null, and 1e-999 would become 0
    is_kept = math.isfinite(number) and (number or not re.match("-?[0.]*[1-9]", text))
    return number if is_kept else _OUT_OF_RANGE


# not strict: a raw control character is judged with its text
_DECODER = json.JSONDecoder(
    parse_constant=lambda _name: _NO_NUMBER,
    parse_int=_integer,
    parse_float=_fraction,
    strict=False,
)


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
        served: Records that have such fields as they were served, by position as well.
        rejected: Those that do not fit.
        forgotten: Rows of people who were forgotten, which are in neither.
        size: Rows of a page, as this one says; None where it does not.
        byte_count: Length of the body.
        fingerprint: Which rows these are, in which order, before any is taken out.
    """

    total: int
    records: list[Record]
    undeclared: dict[int, dict[str, Any]] = field(default_factory=dict)
    served: dict[int, str] = field(default_factory=dict)
    rejected: list[RejectedRecord] = field(default_factory=list)
    forgotten: int = 0
    size: int | None = None
    byte_count: int = 0
    fingerprint: int = 0

    @property
    def row_count(self) -> int:
        """Rows that the page served."""
        return len(self.records) + len(self.rejected) + self.forgotten

    def select(self, positions: Sequence[int]) -> Page:
        """A page with only these of its records; what else it has stays.

        Args:
            positions: Positions in `records`, ascending.
        """
        places = {position: place for place, position in enumerate(positions)}
        return replace(
            self,
            records=[self.records[position] for position in positions],
            undeclared={places[at]: of for at, of in self.undeclared.items() if at in places},
            served={places[at]: of for at, of in self.served.items() if at in places},
        )


class _Envelope(msgspec.Struct, Generic[RecordT]):
    items: list[RecordT]
    total: int
    size: Any = None


class _RawEnvelope(msgspec.Struct):
    items: list[msgspec.Raw]
    total: int
    size: Any = None


@cache
def _page_decoder(record: type[RecordT]) -> msgspec.json.Decoder[_Envelope[RecordT]]:
    return msgspec.json.Decoder(_Envelope[record])  # type: ignore[valid-type]


@cache
def _record_decoder(record: type[RecordT]) -> msgspec.json.Decoder[RecordT]:
    return msgspec.json.Decoder(record)


_raw_decoder = msgspec.json.Decoder(_RawEnvelope)

# what msgspec raises of a body that is not of the type
_MISFITS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_page(endpoint: Endpoint, body: bytes, max_rows: int | None = None) -> Page:
    """Decodes one page of an endpoint.

    Args:
        endpoint: Whose page it is.
        body: What the API answered.
        max_rows: Rows that it may hold; None for any number.

    Returns:
        The page, with every row it served either in `records` or in `rejected`.

    Raises:
        MalformedPageError: The body is no JSON, and no list of records can be told in it.
        ContractError: The body is JSON, but holds no list `items` or no number `total`, or more
            rows than `max_rows`.
    """
    page = _decode_whole(endpoint, body) or _decode_record_by_record(endpoint, body, max_rows)
    _refuse_crowded(endpoint, page.row_count, max_rows)
    rows = (
        tuple(map(attrgetter(*endpoint.key), page.records)),
        tuple(record.record for record in page.rejected),
    )
    return replace(page, byte_count=len(body), fingerprint=hash(rows))


def _decode_whole(endpoint: Endpoint, body: bytes) -> Page | None:
    """Decodes a page in one go; None where a record may not fit."""
    if len(body) > MAX_RECORD_BYTES or _says_nul(body):
        return None
    try:
        envelope = _page_decoder(endpoint.record).decode(body)
    except _MISFITS:
        return None
    return Page(
        total=envelope.total, records=list(envelope.items), size=_stated_size(envelope.size)
    )


def _says_nul(text: bytes) -> bool:
    # PostgreSQL stores no NUL character, escaped or not
    return rb"\u0000" in text or b"\x00" in text


def _stated_size(size: Any) -> int | None:
    return size if _is_integer(size) and size > 0 else None


def _refuse_crowded(endpoint: Endpoint, row_count: int, max_rows: int | None) -> None:
    if max_rows is not None and row_count > max_rows:
        raise ContractError(f"/{endpoint.name}: the answer has more than {max_rows:,} rows")


def _decode_record_by_record(endpoint: Endpoint, body: bytes, max_rows: int | None) -> Page:
    total, size, elements = _split(endpoint, body, max_rows)
    page = Page(total=total, records=[], size=size)
    for served in elements:
        decoded = decode_record(endpoint, served)
        if isinstance(decoded, RejectedRecord):
            page.rejected.append(decoded)
            continue
        record, undeclared = decoded
        if undeclared:
            page.undeclared[len(page.records)] = undeclared
            page.served[len(page.records)] = served.decode()
        page.records.append(record)
    return page


def _split(
    endpoint: Endpoint, body: bytes, max_rows: int | None
) -> tuple[int, int | None, Iterable[bytes]]:
    """Takes a page apart: the total, the size that it says, and each element as served."""
    if len(body) <= MAX_RECORD_BYTES:
        try:
            envelope = _raw_decoder.decode(body)
        except _MISFITS:
            pass
        else:
            _refuse_crowded(endpoint, len(envelope.items), max_rows)
            return envelope.total, _stated_size(envelope.size), map(bytes, envelope.items)
    # bytes that are no UTF-8 survive as lone surrogates, and are rejected with their record
    text = body.decode("utf-8", errors="surrogateescape")
    for begin, end in _lists_of_items(text):
        try:
            members = _DECODER.decode(f"{text[: begin - 1]}0{text[end + 1 :]}")
        except (ValueError, RecursionError):
            continue
        # the list stood where the 0 is now, and not in another member
        is_page = isinstance(members, dict) and members.get("items") == 0
        if is_page and _is_integer(members.get("total")):
            elements = _elements(endpoint, text, begin, end)
            # of too many, one more than may be is enough to say so
            elements = islice(elements, None if max_rows is None else max_rows + 1)
            return members["total"], _stated_size(members.get("size")), elements
    raise _no_page(endpoint, text)


def _no_page(endpoint: Endpoint, text: str) -> MalformedPageError | ContractError:
    try:
        answer = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return MalformedPageError("the answer is no JSON")
    if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
        return ContractError(f"/{endpoint.name}: the answer is JSON without a list `items`")
    if not _is_integer(answer.get("total")):
        return ContractError(f"/{endpoint.name}: the answer has no number `total`")
    return ContractError(f"/{endpoint.name}: the answer has several members of the name `items`")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _lists_of_items(text: str) -> Iterator[tuple[int, int]]:
    """Where the list `items` can begin and end, after and before its brackets."""
    start = re.search(r'"items"\s*:\s*\[', text)
    end = len(text)
    for _ in range(_MAX_ENDS_TRIED if start else 0):
        end = text.rfind("]", 0, end)
        if start is None or end < start.end():
            return
        yield start.end(), end


def _elements(endpoint: Endpoint, text: str, begin: int, end: int) -> Iterator[bytes]:
    """The elements of a list, as served; where one is no JSON, its end is made out."""
    position = _skip(_BLANK, text, begin, end)
    while position < end:
        try:
            after = _skip(_BLANK, text, _DECODER.raw_decode(text, position)[1], end)
            following = _skip(_SEPARATOR, text, after, end)
        except (ValueError, RecursionError):
            after = following = position
        if after < end and after == following:
            after, following = _end_of_broken(endpoint, text, position, end)
        yield text[position:after].rstrip().encode("utf-8", errors="surrogateescape")
        position = following


def _end_of_broken(endpoint: Endpoint, text: str, begin: int, end: int) -> tuple[int, int]:
    """Where an element that is no JSON ends, and where the next one begins.

    That is where its brackets are closed before another object begins. One whose brackets or
    quotation marks do not match ends where another record begins, as its first field tells.
    """
    commas = (_OBJECT_FOLLOWS if text[begin] in "{[" else _SEPARATOR).finditer(text, begin, end)
    ends = [comma.span() for comma in islice(commas, _MAX_ENDS_TRIED)]
    if len(ends) < _MAX_ENDS_TRIED:
        ends.append((end, end))
    names = "|".join(map(re.escape, endpoint.arrow_types))
    record = re.compile(rf'\{{\s*"(?:{names})"\s*:')
    whole = (span for span in ends if _is_balanced(text, begin, span[0]))
    before_record = (span for span in ends if record.match(text, span[1], end))
    return next(whole, None) or next(before_record, ends[0])


_BLANK = re.compile(r"\s*")
_SEPARATOR = re.compile(r"\s*,\s*")
_OBJECT_FOLLOWS = re.compile(r"\s*,\s*(?=\{)")

_STRUCTURE = r'"(?:[^"\\]++|\\.)*+"|[\[{]++|[\]}]++'
"""Strings, so that brackets in them do not count, and runs of brackets."""

_BRACKETS = re.compile(_STRUCTURE, re.DOTALL)


def _skip(pattern: re.Pattern[str], text: str, position: int, end: int) -> int:
    found = pattern.match(text, position, end)
    return found.end() if found else position


def _is_balanced(text: str, begin: int, end: int) -> bool:
    """Whether as many brackets close as were opened before, but for those in strings."""
    depth = 0
    for token in _BRACKETS.finditer(text, begin, end):
        depth += _depth_gained(token)
        if depth < 0:
            return False
    return depth == 0


def _depth_gained(token: re.Match[str]) -> int:
    signs = token[0]
    return 0 if signs[0] == '"' else len(signs) if signs[0] in "[{" else -len(signs)


def _readable_fields(endpoint: Endpoint, served: str) -> Any:
    """What can be read of a rejected record: all of it, or what says which one it is."""
    if len(served) <= MAX_RECORD_BYTES:
        try:
            return _DECODER.decode(served)
        except (ValueError, RecursionError):
            pass
    named = "|".join(map(re.escape, {*endpoint.key, endpoint.person or endpoint.key[0]}))
    token_or_member = re.compile(
        rf'"({named})"\s*:\s*("(?:[^"\\]++|\\.)*+"|null|-?\d++(?![.eE]))|{_STRUCTURE}', re.DOTALL
    )
    found: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    depth = 0
    for token in token_or_member.finditer(served):
        name, value = token.groups()
        if name is None:
            depth += _depth_gained(token)
            continue
        try:
            # one in an object of the record's is better than none
            found[depth == 1].setdefault(name, _DECODER.decode(value))
        except ValueError:
            continue
    return found[False] | found[True]


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return _TOO_DEEP
    if isinstance(error, json.JSONDecodeError):
        # without the place, which is another one in each record
        return f"The record is no JSON: {error.msg.rstrip(':')}"
    return str(error)


_TOO_DEEP = f"Nested more than {MAX_DEPTH} levels deep"


def decode_record(
    endpoint: Endpoint, served: bytes
) -> tuple[Record, dict[str, Any]] | RejectedRecord:
    """Decodes one record.

    Args:
        endpoint: Whose record it is.
        served: The record as it came.

    Returns:
        Its declared fields, and the others apart; or why it does not fit.
    """
    try:
        return _decode_fitting(endpoint, served)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        verbatim = served.decode("utf-8", errors="backslashreplace")
        value = _readable_fields(endpoint, verbatim)
        return RejectedRecord(
            record=verbatim,
            reason=_reason(error),
            key=_readable_key(endpoint, value),
            person_id=_readable_person(endpoint, value),
        )


def _decode_fitting(endpoint: Endpoint, served: bytes) -> tuple[Record, dict[str, Any]]:
    if len(served) > MAX_RECORD_BYTES:
        raise ValueError(f"The record is longer than {MAX_RECORD_BYTES // 1_000_000} MB")
    if not _says_nul(served):
        try:
            return _record_decoder(endpoint.record).decode(served), {}
        except _MISFITS:
            pass
    return _fit(endpoint, _DECODER.decode(served.decode("utf-8", errors="surrogateescape")))


def _fit(endpoint: Endpoint, value: Any) -> tuple[Record, dict[str, Any]]:
    """Makes a declared record of a decoded value, and sets undeclared fields apart."""
    if not isinstance(value, dict):
        raise ValueError(f"Expected `object`, got `{_json_type(value)}`")
    if any(len(name) > MAX_NAME_LENGTH for name in value):
        raise ValueError(f"The name of a field has more than {MAX_NAME_LENGTH} characters")
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


def _readable_person(endpoint: Endpoint, value: Any) -> int | None:
    """Reads whose record it is, as generously as it can be meant."""
    if endpoint.person is None or not isinstance(value, dict):
        return None
    try:
        return msgspec.convert(value.get(endpoint.person), int, strict=False)
    except msgspec.ValidationError:
        return None


def person_of_rejected(endpoint: Endpoint, served: str) -> int | None:
    """Reads whose a rejected record is, also where it is no JSON.

    Args:
        endpoint: Whose record it is.
        served: The record as it is kept.
    """
    return _readable_person(endpoint, _readable_fields(endpoint, served))


def _refuse_unstorable(value: Any, path: str, depth: int = 0) -> None:
    """Raises on what cannot be kept as it is: NUL, lone surrogates, no numbers, deep nesting."""
    if depth > MAX_DEPTH:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, _Unusable):
        raise ValueError(f"{value.reason} - at `{path}`")
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError(f"Text holds a NUL character - at `{path}`")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError(f"Text is no valid Unicode - at `{path}`")
    elif isinstance(value, dict):
        for name, member in value.items():
            _refuse_unstorable(name, f"{path}.*")
            _refuse_unstorable(member, f"{path}.*" if path != "$" else f"$.{name}", depth + 1)
    elif isinstance(value, list):
        for member in value:
            _refuse_unstorable(member, f"{path}[...]", depth + 1)


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
