"""The wrong changes: each is what a tired hand could do to a model, and no more than that.

In: the text of a model or of macros. Out: its mutants, each with one change in one place.

A mutator yields edits for one segment of the syntax tree. `MUTATORS` holds those of the SQL,
`JINJA_MUTATORS` those of what stands in jinja tags.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlfluff.core.parser import BaseSegment

from tools.mutation.sql_tree import TAG, Tree, is_sql_macro, otherwise_spans, trees


@dataclass(frozen=True)
class Mutant:
    """A file with one change.

    Attributes:
        model: Name of the model, or of the file of macros.
        identity: Names the change for good: where, what, from which line to which.
        text: The changed file.
    """

    model: str
    identity: str
    text: str


@dataclass(frozen=True)
class Edit:
    """A change of a text: `text[start:stop]` becomes `new`."""

    start: int
    stop: int
    new: str


@dataclass(frozen=True)
class Source:
    """What a mutator may look at.

    Attributes:
        text: The file.
        tree: The tree that the segment is of.
    """

    text: str
    tree: Tree

    def of(self, segment: BaseSegment) -> str:
        """A segment as it stands in the file, with its jinja."""
        start, stop = self.tree.span(segment)
        return self.text[start:stop]

    def replace(self, segment: BaseSegment, new: str) -> Edit:
        """Another text in place of a segment."""
        return Edit(*self.tree.span(segment), new)

    def cut(self, first: BaseSegment, last: BaseSegment) -> Edit:
        """Nothing in place of segments that follow each other."""
        return Edit(self.tree.span(first)[0], self.tree.span(last)[1], "")

    def exchange(self, first: BaseSegment, second: BaseSegment) -> Edit:
        """Two segments in each other's place."""
        start, end_of_first = self.tree.span(first)
        start_of_second, stop = self.tree.span(second)
        between = self.text[end_of_first:start_of_second]
        return Edit(start, stop, f"{self.of(second)}{between}{self.of(first)}")


Mutator = Callable[[BaseSegment, Source], Iterator[Edit]]

OTHER_FUNCTION = {
    "min": "max",
    "max": "min",
    "sum": "max",
    "lead": "lag",
    "lag": "lead",
    "least": "greatest",
    "greatest": "least",
    "rank": "row_number",
    "lower": "upper",
}
OTHER_OPERATOR = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "=": "<>", "<>": "=", "~": "!~"}
OTHER_PART = {"day": "week", "week": "month", "month": "year", "quarter": "month", "year": "month"}


def drop_where(segment: BaseSegment, source: Source) -> Iterator[Edit]:
    """`where …` → nothing."""
    if segment.is_type("where_clause"):
        yield source.replace(segment, "")


def drop_join_condition(segment: BaseSegment, source: Source) -> Iterator[Edit]:
    """`on a.x = b.x` → `on true`; one of several conditions is drop_condition's."""
    if segment.is_type("join_on_condition"):
        (condition,) = segment.get_children("expression")
        if not condition.get_children("binary_operator"):
            yield source.replace(condition, "true")


def drop_condition(segment: BaseSegment, source: Source) -> Iterator[Edit]:
    """`a and b` → `a`, `b`."""
    operands = _operands(segment)
    for index, operand in enumerate(operands if len(operands) > 1 else []):
        if index == 0:
            start, stop = source.tree.span(operand[0])[0], source.tree.span(operands[1][0])[0]
        else:
            start = source.tree.span(operands[index - 1][-1])[1]
            stop = source.tree.span(operand[-1])[1]
        yield Edit(start, stop, "")


def flip_connective(segment: BaseSegment, source: Source) -> Iterator[Edit]:
    """`and` ↔ `or`."""
    if segment.is_type("binary_operator") and segment.raw in ("and", "or"):
        yield source.replace(segment, "or" if segment.raw == "and" else "and")


def flip_join(segment: BaseSegment, source: Source) -> Iterator[Edit]:
    """`left join` ↔ `inner join`."""
    if segment.is_type("join_clause"):
        kind = segment.get_children("keyword")[0]
        if kind.raw in ("left", "inner"):
            yield source.replace(kind, "inner" if kind.raw == "left" else "left")


def flip_comparison(segment: BaseSegment, source: Source) -> Iterator[Edit]:
    """`<` ↔ `<=`, `>` ↔ `>=`, `=` ↔ `<>`."""
    if segment.is_type("comparison_operator"):
        yield source.replace(segment, OTHER_OPERATOR[segment.raw])


def negate(segment: BaseSegment, source: Source) -> Iterator[Edit]:
    """`is null` ↔ `is not null`, `true` ↔ `false`, `in` → `not in`, `is_x` → `not is_x`."""
    if segment.is_type("boolean_literal"):
        yield source.replace(segment, "false" if segment.raw == "true" else "true")
    if not segment.is_type("expression"):
        return
    parts = _code(segment)
    for previous, part in pairwise(parts):
        if part.raw == "not":
            yield source.cut(part, _next_space(segment, part))
        elif previous.raw == "is":
            yield source.replace(part, f"not {part.raw}")
        elif part.raw == "in":
            yield source.replace(part, "not in")
    for operand in _operands(segment):
        is_condition = len(_operands(segment)) > 1 or _is_condition(segment, source)
        if is_condition and len(operand) == 1 and operand[0].is_type("column_reference"):
            yield source.replace(operand[0], f"not {source.of(operand[0])}")


def change_window(segment: BaseSegment, source: Source) -> Iterator[Edit]:
    """Drops or thins out `partition by`; drops, thins out or reverses `order by`."""
    if not segment.is_type("window_specification"):
        return
    for clause in segment.get_children("partitionby_clause", "orderby_clause"):
        yield source.replace(clause, "")
        items = clause.get_children("expression", "column_reference")
        if len(items) > 1:
            yield from (_cut_item(items, index, source) for index in range(len(items)))
        if clause.is_type("orderby_clause"):
            directions = [part for part in clause.get_children("keyword") if part.raw == "desc"]
            if directions:
                yield source.replace(directions[0], "asc")
            else:
                yield source.replace(items[0], f"{source.of(items[0])} desc")


def drop_distinct(segment: BaseSegment, source: Source) -> Iterator[Edit]:
    """`distinct` → nothing."""
    if segment.is_type("keyword") and segment.raw == "distinct":
        yield source.replace(segment, "")


def change_function(segment: BaseSegment, source: Source) -> Iterator[Edit]:
    """`min` ↔ `max`, `lead` ↔ `lag`, `count(*)` → one, `coalesce(x, y)` → `x`."""
    if not segment.is_type("function"):
        return
    (name,) = segment.get_children("function_name")
    if name.raw in OTHER_FUNCTION:
        yield source.replace(name, OTHER_FUNCTION[name.raw])
    contents = next(segment.recursive_crawl("function_contents"))
    arguments = [
        part for bracket in contents.get_children("bracketed") for part in _arguments(bracket)
    ]
    if name.raw == "count":
        yield (
            source.replace(name, "min")
            if "*" not in contents.raw
            else Edit(source.tree.span(name)[0], source.tree.span(contents)[1], "min(1)")
        )
    if name.raw in ("coalesce", "nullif"):
        yield Edit(
            source.tree.span(segment)[0], source.tree.span(contents)[1], source.of(arguments[0])
        )


def drop_case_branch(segment: BaseSegment, source: Source) -> Iterator[Edit]:
    """A `when` of several, or an `else`, → nothing; `case when a then b else c end` → `c`."""
    if not segment.is_type("case_expression"):
        return
    branches = segment.get_children("when_clause")
    for branch in branches if len(branches) > 1 else []:
        yield source.replace(branch, "")
    for otherwise in segment.get_children("else_clause"):
        yield source.replace(otherwise, "")
        if len(branches) == 1:
            yield source.replace(segment, source.of(otherwise).removeprefix("else"))
    if len(branches) == 1:
        (value,) = branches[0].get_children("expression")[1:]
        yield source.replace(segment, source.of(value))


def drop_union_branch(segment: BaseSegment, source: Source) -> Iterator[Edit]:
    """`union all` → `union`; a select of a union → nothing."""
    if not segment.is_type("set_expression"):
        return
    operators = segment.get_children("set_operator")
    selects = segment.get_children("select_statement")
    for operator in operators:
        if operator.raw == "union all":
            yield source.replace(operator, "union")
    yield source.cut(selects[0], operators[0])
    for operator, select in zip(operators, selects[1:], strict=True):
        yield source.cut(operator, select)


def change_constant(segment: BaseSegment, source: Source) -> Iterator[Edit]:
    """`1` → `2`, `'unknown'` → `'mutated'`, `'1900-01-01'` → `'1901-01-01'`."""
    if segment.is_type("numeric_literal"):
        number = float(segment.raw) if "." in segment.raw else int(segment.raw)
        yield source.replace(segment, str(number + 1))
    if segment.is_type("quoted_literal") and "{{" not in source.of(segment):
        is_date = re.fullmatch(r"'(\d{4})(-\d\d-\d\d)'", segment.raw)
        new = f"'{int(is_date[1]) + 1}{is_date[2]}'" if is_date else "'mutated'"
        yield source.replace(segment, new)


def swap_join_keys(segment: BaseSegment, source: Source) -> Iterator[Edit]:
    """`a.x = b.x and a.y = b.y` → `a.x = b.y and a.y = b.x`."""
    if not segment.is_type("join_on_condition"):
        return
    (condition,) = segment.get_children("expression")
    rights = [
        operand[2]
        for operand in _operands(condition)
        if [part.raw for part in operand[1:2]] == ["="] and operand[2].is_type("column_reference")
    ]
    for first, second in pairwise(rights):
        yield source.exchange(first, second)


def swap_columns(segment: BaseSegment, source: Source) -> Iterator[Edit]:
    """Two columns of one kind (`…_at`, `…_key`) exchange what they hold."""
    if not segment.is_type("select_clause") or _is_last_select(segment, source):
        return
    kinds: dict[str, list[BaseSegment]] = {}
    for element in segment.get_children("select_clause_element"):
        columns = list(element.recursive_crawl("column_reference"))
        is_cast = element.raw.startswith("cast(")
        if columns and (is_cast or element.get_child("column_reference") is columns[0]):
            kinds.setdefault(_kind(_name_of(element)), []).append(element)
    for elements in kinds.values():
        for first, second in pairwise(elements):
            values = [next(one.recursive_crawl("column_reference")) for one in (first, second)]
            if {source.of(value)[:2] for value in values} & {"{{"}:
                continue
            edits = [
                source.replace(one, _with_value(one, own, other, source))
                for one, own, other in (
                    (first, values[0], values[1]),
                    (second, values[1], values[0]),
                )
            ]
            between = source.text[edits[0].stop : edits[1].start]
            yield Edit(edits[0].start, edits[1].stop, f"{edits[0].new}{between}{edits[1].new}")


MUTATORS: Sequence[Mutator] = (
    drop_where,
    drop_join_condition,
    drop_condition,
    flip_connective,
    flip_join,
    flip_comparison,
    negate,
    change_window,
    drop_distinct,
    change_function,
    drop_case_branch,
    drop_union_branch,
    change_constant,
    swap_join_keys,
    swap_columns,
)


def drop_key_field(tag: str) -> Iterator[tuple[int, int, str]]:
    """`surrogate_key([a, b])` → `surrogate_key([b])`, `surrogate_key([a])`; of times the same."""
    listed = re.search(r"(?:surrogate_key|is_since_build)\(\[(.*)\]\)", tag, re.DOTALL)
    if listed is None or "config(" in tag:
        return
    fields = list(re.finditer(r"'[^']*'|\w+\([^()]*\)", listed[1]))
    for index in range(len(fields) if len(fields) > 1 else 0):
        kept = ", ".join(field[0] for field in fields[:index] + fields[index + 1 :])
        yield listed.start(1), listed.end(1), kept


def drop_macro(tag: str) -> Iterator[tuple[int, int, str]]:
    """`{{ tidy_text('x') }}` → `x`."""
    call = re.fullmatch(r"\{\{ (?!ref|source|return)\w+\((?:'([\w.]+)'|(\w+))\) \}\}", tag)
    if call is not None:
        yield 0, len(tag), call[1] or f"{{{{ {call[2]} }}}}"


def change_jinja_constant(tag: str) -> Iterator[tuple[int, int, str]]:
    """`100` → `101`, `'week'` → `'month'`."""
    if tag.startswith("{#") or "config(" in tag or "surrogate_key(" in tag:
        return
    for number in re.finditer(r"(?<![\w'])(?<!\d-)(?<!indent\()-?\d+\b", tag):
        yield number.start(), number.end(), str(int(number[0]) + 1)
    if re.match(r"\{\{-? *dbt\.", tag):
        for part in re.finditer(rf"(?<=')({'|'.join(OTHER_PART)})(?=')", tag):
            yield part.start(), part.end(), OTHER_PART[part[0]]


def reverse_listagg(tag: str) -> Iterator[tuple[int, int, str]]:
    """`listagg(…, 'order by x')` → `listagg(…, 'order by x desc')`."""
    for order in re.finditer(r"'order by [\w.]+(?=')", tag):
        yield order.start(), order.end(), f"{order[0]} desc"


def drop_option(tag: str) -> Iterator[tuple[int, int, str]]:
    """`config(…, unique_key='x')` → `config(…)`, and the like for hooks."""
    if "config(" in tag:
        value = r"""(?:\"{3}.*?\"{3}|'[^']*'|\[[^\]]*\])"""
        for option in re.finditer(rf"\b(?:pre_hook|unique_key)={value},?", tag, re.DOTALL):
            yield option.start(), option.end(), ""


JINJA_MUTATORS: Sequence[Callable[[str], Iterator[tuple[int, int, str]]]] = (
    drop_key_field,
    drop_macro,
    change_jinja_constant,
    reverse_listagg,
    drop_option,
)


def mutants_of(model: str, text: str) -> list[Mutant]:
    """All mutants of a file.

    Args:
        model: Name of the model, or of the file of macros.
        text: The file.

    Returns:
        One mutant for each change, those that give the same text once.

    Raises:
        UnreadableSqlError: The file cannot be parsed.
    """
    found: dict[str, tuple[str, Edit]] = {}
    for name, edit in [*_edits_of_sql(model, text), *_edits_of_jinja(text)]:
        changed = text[: edit.start] + edit.new + text[edit.stop :]
        if _words(changed) != _words(text):
            found.setdefault(changed, (name, edit))
    seen: Counter[str] = Counter()
    mutants = []
    for changed, (name, edit) in found.items():
        identity = f"{_place(text, edit.start)}: {name}: {_lines(text, edit)}"
        seen[identity] += 1
        if seen[identity] > 1:
            identity += f" ({seen[identity]})"
        mutants.append(Mutant(model, identity, changed))
    return mutants


def _edits_of_sql(model: str, text: str) -> Iterator[tuple[str, Edit]]:
    for tree in trees(text, model):
        source = Source(text, tree)
        for segment in _walk(tree.root):
            for mutator in MUTATORS:
                # what a macro's tree has before the macro is not in the file
                yield from (
                    (_title(mutator), edit)
                    for edit in mutator(segment, source)
                    if edit.start >= tree.start
                )


def _edits_of_jinja(text: str) -> Iterator[tuple[str, Edit]]:
    macros = re.finditer(r"\{%-?\s*macro\s+(\w+).*?endmacro\s*-?%\}", text, re.DOTALL)
    other = [match.span() for match in macros if not is_sql_macro(match[1], _body(match[0]))]
    unread = other + otherwise_spans(text)
    for tag in TAG.finditer(text):
        if any(start <= tag.start() < stop for start, stop in unread):
            continue
        for mutator in JINJA_MUTATORS:
            for start, stop, new in mutator(tag[0]):
                yield _title(mutator), Edit(tag.start() + start, tag.start() + stop, new)


def _body(macro: str) -> str:
    tags = list(TAG.finditer(macro))
    return macro[tags[0].end() : tags[-1].start()]


def _title(mutator: Callable[..., object]) -> str:
    return mutator.__name__.replace("_", " ")


def _walk(segment: BaseSegment) -> Iterator[BaseSegment]:
    # numbers there are columns' places
    if segment.is_type("groupby_clause"):
        return
    yield segment
    for child in segment.segments:
        yield from _walk(child)


def _code(segment: BaseSegment) -> list[BaseSegment]:
    return [part for part in segment.segments if part.is_code]


def _next_space(parent: BaseSegment, part: BaseSegment) -> BaseSegment:
    return parent.segments[parent.segments.index(part) + 1]


def _operands(expression: BaseSegment) -> list[list[BaseSegment]]:
    """The parts of a condition between its `and`s and `or`s."""
    if not expression.is_type("expression"):
        return []
    operands: list[list[BaseSegment]] = [[]]
    for part in _code(expression):
        if part.is_type("binary_operator") and part.raw in ("and", "or"):
            operands.append([])
        else:
            operands[-1].append(part)
    return operands


def _is_condition(expression: BaseSegment, source: Source) -> bool:
    before = source.text[: source.tree.span(expression)[0]].split()
    return bool(before) and before[-1] in ("when", "where", "on")


def _arguments(bracket: BaseSegment) -> list[BaseSegment]:
    return bracket.get_children("expression", "quoted_literal")


def _cut_item(items: Sequence[BaseSegment], index: int, source: Source) -> Edit:
    if index == 0:
        return Edit(source.tree.span(items[0])[0], source.tree.span(items[1])[0], "")
    return Edit(source.tree.span(items[index - 1])[1], source.tree.span(items[index])[1], "")


def _is_last_select(select: BaseSegment, source: Source) -> bool:
    """Whether a select is the plain list of columns at the end of a model."""
    return not source.text[source.tree.span(select)[0] :].count(")")


def _name_of(element: BaseSegment) -> str:
    alias = element.get_child("alias_expression")
    return (alias or element).raw.split()[-1].split(".")[-1]


def _kind(column: str) -> str:
    return "is" if column.startswith(("is_", "has_")) else column.rsplit("_", 1)[-1]


def _with_value(element: BaseSegment, own: BaseSegment, other: BaseSegment, source: Source) -> str:
    text = source.of(element).replace(source.of(own), source.of(other), 1)
    return text if " as " in text else f"{text} as {_name_of(element)}"


def _place(text: str, start: int) -> str:
    """The CTE or macro that a place is in."""
    before = text[:start]
    names = re.findall(r"^(\S.*) as \($|\{% macro (\w+)", before, re.MULTILINE)
    return "".join(names[-1]) if names else "head"


def _lines(text: str, edit: Edit) -> str:
    start = text.rfind("\n", 0, edit.start) + 1
    stop = text.find("\n", edit.stop)
    stop = len(text) if stop < 0 else stop
    changed = text[start : edit.start] + edit.new + text[edit.stop : stop]
    return f"{_words(text[start:stop])} → {_words(changed) or 'nothing'}"


def _words(text: str) -> str:
    return " ".join(text.split())
