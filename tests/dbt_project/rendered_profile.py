"""`profiles.yml` as dbt reads it.

In: a target, and variables of the environment. Out: the connection that dbt makes.
"""

from __future__ import annotations

from typing import Any

import yaml
from dbt.config.renderer import ProfileRenderer
from dbt_common.context import get_invocation_context, set_invocation_context

from warehouse.settings import PROJECT_ROOT


def render(target: str, environment: dict[str, str]) -> dict[str, Any]:
    """The connection of a target, as dbt reads it from these variables."""
    set_invocation_context(environment)
    assert get_invocation_context().env == environment
    profile = yaml.safe_load((PROJECT_ROOT / "profiles.yml").read_text())["listenhouse"]
    rendered: dict[str, Any] = ProfileRenderer().render_data(profile["outputs"][target])
    return rendered
