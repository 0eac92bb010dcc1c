"""Pages taken apart: what one bad record costs."""

from __future__ import annotations

from typing import Any

import pytest

from ingestion.crawl.decoding import MalformedPageError, decode_page, person_of_rejected
from ingestion.sources.moovitamix import ENDPOINTS
from tests.ingestion.scripted_api import ScriptedApi, user

USERS, _, HISTORIES = ENDPOINTS

NO_JSON = "The record is no JSON: "
TOO_DEEP = "Nested more than 100 levels deep"
OUT_OF_RANGE = "Number out of the range of double precision"

BAD_RECORDS = {
    '{"id": 901, "x": %s}' % ("[" * 5_000 + "]" * 5_000): TOO_DEEP,
    '{"id": 901, "x": ' + '{"a":' * 5_000 + "1" + "}" * 5_001: TOO_DEEP,
    '{"id": 901, "x": %s}' % ("[" * 101 + "]" * 101): TOO_DEEP,
    '{"id": 901, "x": %s}' % ("9" * 6_000): "Integer of more than 1,000 digits - at `$.x`",
    '{"id": 901, "x": [-%s]}' % ("9" * 1_001): "Integer of more than 1,000 digits - at `$.x[...]`",
    '{"id": 901, "x": 1e999}': f"{OUT_OF_RANGE} - at `$.x`",
    '{"id": 901, "x": {"y": -1.5e999}}': f"{OUT_OF_RANGE} - at `$.x.*`",
    '{"id": 901, "x": 1e-999}': f"{OUT_OF_RANGE} - at `$.x`",
    '{"id": 901, "%s": 1}' % ("n" * 256): "The name of a field has more than 255 characters",
    '{"id": 901, "gender": "\\x41"}': f"{NO_JSON}Invalid \\escape",
    '{"\\x41": 1, "id": 901}': f"{NO_JSON}Invalid \\escape",
    '{"id": 901, "gender": "\\u12"}': f"{NO_JSON}Invalid \\uXXXX escape",
    '{"id": 901, "x": 0x41}': f"{NO_JSON}Expecting ',' delimiter",
    '{"id": 901, "x": 007}': f"{NO_JSON}Expecting ',' delimiter",
    '{"id": 901, "x": undefined}': f"{NO_JSON}Expecting value",
    '{"id": 901, "x": 1,}': f"{NO_JSON}Expecting property name enclosed in double quotes",
    '{"id": 901 /* ], [ */}': f"{NO_JSON}Expecting ',' delimiter",
    '{"id": 901, "gender": "5" disk"}': f"{NO_JSON}Expecting ',' delimiter",
    '{"id": 901, "gender": "a "b" {"}': f"{NO_JSON}Expecting ',' delimiter",
    '{"id": 901, "x": [1,2}': f"{NO_JSON}Expecting ',' delimiter",
    '{"id": 901, "x": [1,2]': f"{NO_JSON}Expecting ',' delimiter",
    '{"id": 901}}': f"{NO_JSON}Extra data",
    '{"id": 901, "x": [{"id": 1}, {"id": 2}], "y": .5}': f"{NO_JSON}Expecting value",
}
"""Records that say who they are, and what is wrong with them."""

NAMELESS = ("{'id': 901}", "{id: 901}", "nope", "+17", '{"id": %s}' % ("9" * 6_000))
"""Records that nobody can tell the key of."""


def users_page(records: list[Any]) -> bytes:
    api = ScriptedApi()
    api.records["users"] = [row.encode() if isinstance(row, str) else row for row in records]
    return api.page("users", 1, 100)


@pytest.mark.parametrize("bad", [*BAD_RECORDS, *NAMELESS], ids=lambda bad: bad[:32])
def test_a_bad_record_costs_only_itself_wherever_it_stands(bad: str) -> None:
    good = [user(1), user(2, nick=[{"id": 3}, {"id": 4}])]
    for records in ([good[0], bad, good[1]], [*good, bad], [bad, bad, *good]):
        page = decode_page(USERS, users_page(records))

        assert [record.id for record in page.records] == [1, 2]  # type: ignore[attr-defined]
        assert {record.record for record in page.rejected} == {bad}
        assert page.row_count == page.total == len(records)
        rejected = page.rejected[0]
        assert rejected.reason == BAD_RECORDS.get(bad, rejected.reason)
        assert rejected.reason
        key = None if bad in NAMELESS else 901
        assert (rejected.key, rejected.person_id) == (key and (key,), key)


def test_a_record_that_is_too_long_costs_only_itself() -> None:
    long = '{"gender": "%s", "id": 901}' % ("n" * 16_000_000)
    page = decode_page(USERS, users_page([user(1), long, user(2)]))

    assert len(page.records) == 2
    (rejected,) = page.rejected
    assert (rejected.reason, rejected.key) == ("The record is longer than 16 MB", (901,))
    assert rejected.record == long


def test_what_is_within_bounds_lands_as_it_is() -> None:
    lists, digits = "[" * 99 + "]" * 99, "9" * 1_000
    fields = f'"a": {lists}, "b": {digits}, "c": 1e300, "d": 0e999, "e": "\\u00e9"'
    page = decode_page(USERS, users_page(['{"id": 901, ' + fields + "}"]))

    assert page.rejected == []
    assert page.undeclared[0]["b"] == 10**1_000 - 1
    assert (page.undeclared[0]["c"], page.undeclared[0]["d"]) == (1e300, 0)


def test_a_page_that_is_cut_anywhere_is_no_page() -> None:
    body = users_page([user(1), user(2, nick=[{"id": 3}]), '{"id": 901, "x": \\x}'])

    for length in range(len(body)):
        with pytest.raises(MalformedPageError):
            decode_page(USERS, body[:length])


def test_members_around_the_records_do_not_hide_them() -> None:
    broken = '{"id": 901, "x": \\x}'
    body = users_page([user(1), broken])
    body = b'{"links": ["a", "b"], ' + body[1:-1] + b', "next": ["c", {"d": []}]}'

    page = decode_page(USERS, body)

    assert (len(page.records), [record.record for record in page.rejected]) == (1, [broken])


@pytest.mark.parametrize(
    "record",
    [
        '{"x": {"user_id": 5}, "user_id": 901, "y": \\x}',
        '{"user_id": "901", "x": %s}' % ("[" * 5_000 + "]" * 5_000),
        '{"user_id" :  901, "x": [1, 2}',
    ],
    ids=["within another", "deep", "broken"],
)
def test_whose_a_record_is_can_be_told_though_it_is_no_json(record: str) -> None:
    assert person_of_rejected(HISTORIES, record) == 901
