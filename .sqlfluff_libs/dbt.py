"""What stands in for dbt's cross-database macros while sqlfluff renders a model.

In: the arguments of a macro call. Out: SQL of the same shape, for the linter's eyes only.
"""


def type_string() -> str:
    """`dbt.type_string()`."""
    return "text"


def type_int() -> str:
    """`dbt.type_int()`."""
    return "integer"


def type_bigint() -> str:
    """`dbt.type_bigint()`."""
    return "bigint"


def type_float() -> str:
    """`dbt.type_float()`."""
    return "float"


def type_boolean() -> str:
    """`dbt.type_boolean()`."""
    return "boolean"


def type_timestamp() -> str:
    """`dbt.type_timestamp()`."""
    return "timestamp"


def date_trunc(part: str, expression: str) -> str:
    """`dbt.date_trunc(…)`."""
    return f"date_trunc('{part}', {expression})"


def dateadd(part: str, interval: str | int, expression: str) -> str:
    """`dbt.dateadd(…)`."""
    return f"dateadd('{part}', {interval}, {expression})"


def datediff(first: str, second: str, part: str) -> str:
    """`dbt.datediff(…)`."""
    return f"datediff('{part}', {first}, {second})"


def split_part(text: str, delimiter: str, number: int) -> str:
    """`dbt.split_part(…)`."""
    return f"split_part({text}, {delimiter}, {number})"


def last_day(expression: str, part: str) -> str:
    """`dbt.last_day(…)`."""
    return f"last_day('{part}', {expression})"


def listagg(measure: str, delimiter: str, order: str) -> str:
    """`dbt.listagg(…)`."""
    return f"string_agg({measure}, {delimiter} {order})"


def generate_series(upper_bound: int) -> str:
    """`dbt.generate_series(…)`."""
    return f"select 1 as generated_number limit {upper_bound}"
