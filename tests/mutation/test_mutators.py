"""The changes that mutators make, on small texts."""

from __future__ import annotations

import pytest

from tools.mutation.mutators import mutants_of
from tools.mutation.sql_tree import UnreadableSqlError

JOIN = "from a\nleft join b\n    on\n        a.x = b.x\n        and a.y = b.y\nwhere a.z < 2"


def changes(text: str, mutator: str) -> list[str]:
    """What a mutator makes of a text, in one line each."""
    return [
        " ".join(mutant.text.split())
        for mutant in mutants_of("model", text)
        if mutant.identity.split(": ")[1] == mutator
    ]


CASES = [
    ("drop where", "select a from t where a = 1", ["select a from t"]),
    ("drop join condition", "select a from t inner join s on t.a = s.a", ["on true"]),
    ("drop condition", f"select a.x {JOIN}", ["on a.y = b.y where", "on a.x = b.x where"]),
    ("flip connective", f"select a.x {JOIN}", ["on a.x = b.x or a.y = b.y"]),
    ("flip join", f"select a.x {JOIN}", ["from a inner join b"]),
    ("flip comparison", f"select a.x {JOIN}", ["a.x <> b.x", "a.y <> b.y", "a.z <= 2"]),
    ("swap join keys", f"select a.x {JOIN}", ["a.x = b.y and a.y = b.x"]),
    ("negate", "select a is null as b from t", ["a is not null as b"]),
    ("negate", "select a from t where b is not null", ["where b is null"]),
    ("negate", "select a from t where is_b and c = 1", ["where not is_b and c = 1"]),
    ("negate", "select false as b", ["select true as b"]),
    ("drop distinct", "select count(distinct a) from t", ["count( a)"]),
    (
        "change window",
        "select rank() over (partition by a, b order by c) as d from t",
        [
            "over ( order by c)",
            "partition by b order by c",
            "partition by a order by c",
            "over (partition by a, b )",
            "order by c desc",
        ],
    ),
    ("change function", "select min(a) as b from t", ["max(a) as b"]),
    ("change function", "select coalesce(a, 0) as b from t", ["select a as b"]),
    ("change function", "select count(*) as b from t", ["select min(1) as b"]),
    (
        "drop case branch",
        "select case when a then b else c end as d from t",
        ["case when a then b end as d", "select c as d", "select b as d"],
    ),
    (
        "drop case branch",
        "select case when a then 'b' when c then 'd' end as e from t",
        ["case when c then 'd' end", "case when a then 'b' end"],
    ),
    (
        "drop union branch",
        "select a from t union all select a from s",
        ["select a from t union select a from s", "select a from s", "select a from t"],
    ),
    ("change constant", "select 1 as a, 'b' as c", ["2 as a", "'mutated' as c"]),
    ("change constant", "select cast('1900-01-01' as date) as a", ["'1901-01-01'"]),
    (
        "swap columns",
        "with x as (select a_at, b_at as c_at, d from t) select a_at from x",
        ["select b_at as a_at, a_at as c_at, d"],
    ),
    (
        "swap columns",
        "with x as (select cast(a_at as date) as a_at, cast(b_at as date) as b_at) select * from x",
        ["cast(b_at as date) as a_at, cast(a_at as date) as b_at"],
    ),
    (
        "drop key field",
        "select {{ surrogate_key(['a', timestamp_text('b')]) }} as k from t",
        ["surrogate_key([timestamp_text('b')])", "surrogate_key(['a'])"],
    ),
    (
        "drop key field",
        "select a from t where {{ is_since_build(['a', 'b']) }}",
        ["is_since_build(['b'])", "is_since_build(['a'])"],
    ),
    ("drop macro", "select {{ tidy_text('a.b') }} as c from a", ["select a.b as c"]),
    (
        "change jinja constant",
        "select {{ dbt.dateadd('day', -7, 'a') }} as b from t",
        ["'day', -6,", "'week', -7,"],
    ),
    (
        "drop option",
        "{{ config(materialized='incremental', unique_key='a') }} select a from t",
        ["{{ config(materialized='incremental', ) }}"],
    ),
]


@pytest.mark.parametrize(("mutator", "text", "expected"), CASES)
def test_a_mutator_changes_one_place_at_a_time(
    mutator: str, text: str, expected: list[str]
) -> None:
    found = changes(text, mutator)
    assert len(found) == len(expected)
    assert [part in change for part, change in zip(expected, found, strict=True)] == [
        True for _ in expected
    ], found


def test_a_mutant_is_named_by_its_place_and_its_lines() -> None:
    text = "with\n\nchosen as (\n\n    select a\n    from {{ ref('t') }}\n    where a = 1\n\n)\n\n"
    text += "select * from chosen"
    identities = [mutant.identity for mutant in mutants_of("model", text)]
    assert "chosen: drop where: where a = 1 → nothing" in identities
    assert "chosen: flip comparison: where a = 1 → where a <> 1" in identities
    assert len(set(identities)) == len(identities)


def test_jinja_stays_as_it_is_around_a_change() -> None:
    text = (
        '{{ config(hook="""{% if a %} delete from {{ this }} {% endif %}""") }}\n'
        "{% set names = ['a', 'b'] %}\n"
        "with\n\nnamed as (\n\n"
        "{% for name in names %}\n"
        "    select '{{ name }}' as c from {{ ref('t') }} where d = {{ key([\n'e'\n]) }}\n"
        "{% if not loop.last %}\n    union all\n{% endif %}\n"
        "{% endfor %}\n\n)\n\nselect * from named"
    )
    (mutant,) = [mutant for mutant in mutants_of("model", text) if "flip" in mutant.identity]
    assert mutant.text == text.replace("where d =", "where d <>")


def test_of_an_if_and_its_else_only_the_first_is_changed() -> None:
    text = (
        "select a from t\n"
        "{% if is_incremental() -%}\nwhere b = 1 and {{ is_since_build(['c']) }}\n"
        "{%- else -%}\nwhere b = {{ key(7) }}\n{% if d %}{% else %}{% endif %}{%- endif %}\n"
    )
    incremental, otherwise = text.split("{%- else")
    found = [mutant.text for mutant in mutants_of("model", text)]
    assert found
    assert all(changed.endswith("{%- else" + otherwise) for changed in found)
    assert incremental.replace("b = 1", "b <> 1") + "{%- else" + otherwise in found


def test_macros_for_other_engines_and_programs_are_left_alone() -> None:
    text = (
        "{% macro a(x) -%}\n{{ return(adapter.dispatch('a')(x)) }}\n{%- endmacro %}\n"
        "{% macro default__a(x) -%}\nlower({{ x }})\n{%- endmacro %}\n"
        "{% macro postgres__a(x) -%}\nlower({{ x }})\n{%- endmacro %}\n"
        "{% macro b(x) -%}\n{%- set y = 1 -%}{{ y }} < {{ x }}\n{%- endmacro %}\n"
    )
    text += (
        "{% macro c(x) -%}\n(\n{%- for y in x %}\n"
        "{% if not loop.first %}or {% endif %}{{ y }} > {{ z() }}\n{%- endfor %}\n)\n"
        "{%- endmacro %}\n"
    )
    assert [mutant.identity for mutant in mutants_of("macros", text)] == [
        "postgres__a: change function: lower({{ x }}) → upper({{ x }})",
        "c: flip comparison: {% if not loop.first %}or {% endif %}{{ y }} > {{ z() }}"
        " → {% if not loop.first %}or {% endif %}{{ y }} >= {{ z() }}",
    ]


def test_sql_that_cannot_be_read_is_no_model_without_mutants() -> None:
    with pytest.raises(UnreadableSqlError, match="model cannot be parsed"):
        mutants_of("model", "select from where")
