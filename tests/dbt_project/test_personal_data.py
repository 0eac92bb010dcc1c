"""Personal data stays where it is landed and staged."""

from __future__ import annotations

from ingestion.sources.catalogue import SOURCES
from tests.dbt_project.artifacts import Manifest


def has_personal_data(node: dict[str, object]) -> bool:
    columns = node["columns"]
    assert isinstance(columns, dict)
    return any(column["config"]["meta"].get("pii") for column in columns.values())


def test_no_mart_has_a_column_of_personal_data(manifest: Manifest) -> None:
    marked = {node["name"] for node in manifest.models if has_personal_data(node)}

    assert marked == {"stg_moovitamix__users", "stg_moovitamix__rejected_records"}


def test_endpoints_know_what_is_tagged_as_personal_data(manifest: Manifest) -> None:
    tagged = {
        (node["schema"], node["name"]): {
            name for name, column in node["columns"].items() if column["config"]["meta"].get("pii")
        }
        for node in manifest.nodes("source")
    }
    for source in SOURCES.values():
        for endpoint in source.endpoints:
            assert endpoint.personal == tagged[source.schema, endpoint.name]


def test_failing_rows_with_personal_data_are_not_stored(manifest: Manifest) -> None:
    marked = {node["unique_id"] for node in manifest.models if has_personal_data(node)}
    storing = [
        node["name"]
        for node in manifest.nodes("test")
        if "test_metadata" in node
        and marked & set(manifest.parents(node))
        and node["config"]["store_failures"]
    ]

    assert storing == []
