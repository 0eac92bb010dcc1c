"""Reads settings from variables of the environment, or says what is wrong with them.

In: what a class of settings declares, and the environment. Out: the settings. A secret can be in a
file instead, and is never repeated in an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeVar, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from warehouse.errors import SettingsError

PREFIX = "LISTENHOUSE_"

SettingsClass = TypeVar("SettingsClass", bound=BaseSettings)


def read_variables(kind: type[SettingsClass], environ: Mapping[str, str]) -> SettingsClass:
    """Makes settings of what the environment holds.

    Args:
        kind: Which settings.
        environ: The variables. One that is empty counts as unset.

    Raises:
        SettingsError: A variable holds a value that cannot be used; names each.
    """
    fields = dict(declared_variables(kind))
    source = EnvSettingsSource(kind)
    # pydantic's own look at the environment knows other names, and no files
    source.env_vars = {
        variable.lower(): value
        for variable, field in fields.items()
        if (value := _value(variable, field, environ))
    }
    try:
        return kind(**source())
    except ValidationError as error:
        problems = [
            (f"{PREFIX}{'_'.join(map(str, problem['loc']))}".upper(), problem)
            for problem in error.errors(include_url=False)
        ]
    # after the exception, which holds the values, is gone
    raise SettingsError(
        "\n".join(
            f"{variable} {problem['ctx']['error']}"
            if problem["type"] == "value_error"
            else f"{variable} is {problem['input']!r}; it must be {expected(fields[variable])}."
            for variable, problem in problems
        )
    )


def declared_variables(
    kind: type[BaseModel], prefix: str = PREFIX
) -> Iterator[tuple[str, FieldInfo]]:
    """Each variable of settings, in their order, with what is declared of it.

    Args:
        kind: Which settings.
        prefix: What the variables begin with.
    """
    for name, field in kind.model_fields.items():
        variable = f"{prefix}{field.validation_alias or name}".upper()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from declared_variables(field.annotation, f"{variable}_")
        elif field.description:
            yield variable, field


def expected(field: FieldInfo) -> str:
    """What a number, a choice or a switch must be; empty for others, whose own messages say it."""
    if get_origin(field.annotation) is Literal:
        return f"one of {', '.join(get_args(field.annotation))}"
    if field.annotation is bool:
        return "one of yes, no"
    bounds = {type(bound): bound for bound in field.metadata}
    if Ge not in bounds:
        return ""
    kind = "a whole number" if field.annotation is int else "a number"
    return f"{kind} from {bounds[Ge].ge} to {bounds[Le].le}"


def is_secret(field: FieldInfo) -> bool:
    """Whether a file can hold it, and no message repeats it."""
    return not field.repr


def _value(variable: str, field: FieldInfo, environ: Mapping[str, str]) -> str:
    """What it holds, or the file that `…_FILE` names: containers and services have those."""
    value = environ.get(variable, "").strip()
    file = environ.get(f"{variable}_FILE", "").strip() if is_secret(field) else ""
    if not file:
        return value
    try:
        content = Path(file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        cause = "it is not text" if isinstance(error, UnicodeDecodeError) else str(error)
        cause = error.strerror or cause if isinstance(error, OSError) else cause
        raise SettingsError(
            f"{variable}_FILE names {file}, which cannot be read ({cause}): name a file with the "
            "value alone in it."
        ) from error
    if get_origin(field.annotation) is tuple:
        # the last comma shows that there is a file, even where nothing is in it
        return ",".join((value, *content.splitlines(), ""))
    # equal where this process put it there for dbt
    if not content or value not in ("", content):
        cause = "there is nothing in it" if not content else f"{variable} is set too"
        raise SettingsError(
            f"{variable}_FILE names {file}, but {cause}: correct the one or unset the other."
        )
    return content
