"""The shapes of the records are declared once; what dbt says of landing follows them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
import yaml
from jinja2 import Template

from ingestion.endpoint import Endpoint
from ingestion.sources.moovitamix import ENDPOINTS, LANDING_SCHEMA
from warehouse.settings import PROJECT_ROOT

SOURCES = PROJECT_ROOT / "dbt_project/models/staging/moovitamix/_moovitamix__sources.yml"
HISTORY_COLUMNS = ["row_hash", "_dlt_valid_from", "_dlt_valid_to"]


def documented_source() -> dict[str, Any]:
    (source,) = yaml.safe_load(SOURCES.read_text())["sources"]
    documented: dict[str, Any] = source
    return documented


def landing_type(endpoint: Endpoint, column: str) -> str:
    if column in endpoint.json_fields:
        return "json"
    type_ = endpoint.arrow_types[column]
    if pa.types.is_int64(type_):
        return "bigint"
    return "timestamp" if pa.types.is_timestamp(type_) else "text"


def test_the_source_is_the_schema_that_is_landed_in() -> None:
    schema = Template(documented_source()["schema"])
    assert schema.render(target={"type": "postgres"}) == LANDING_SCHEMA


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_declared_field_is_documented_with_its_type(endpoint: Endpoint) -> None:
    (table,) = [table for table in documented_source()["tables"] if table["name"] == endpoint.name]
    documented = {column["name"]: column["data_type"] for column in table["columns"]}

    expected = {name: landing_type(endpoint, name) for name in endpoint.arrow_types}
    assert {
        name: type_ for name, type_ in documented.items() if name not in HISTORY_COLUMNS
    } == expected
    assert set(HISTORY_COLUMNS) <= set(documented)
    assert all(column.get("description") for column in table["columns"])
