"""dbt-project-evaluator's rules, checked over the manifest: the package cannot be installed here.

Each rule names what breaks it. What may, stands in `EXCEPTIONS` with the reason; an exception
that nothing needs any more fails too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import psycopg
import pytest

from ingestion.landing.crawl_ledger import create_crawls
from recommender.tables import create_tables as create_recommendation_tables
from tests.dbt_project.artifacts import (
    Manifest,
    Node,
    is_ephemeral,
    refused_nulls,
    unique_indexes,
)
from warehouse.database import create_schema
from warehouse.ops.tables import create_tables as create_ops_tables

Rule = Callable[[Manifest], Iterator[str]]

ONE_CLOCK = (
    "the newest committed crawl, pinned by base_crawls__committed, is the clock that every staging"
    " model reads landing by"
)
STAR = "both are tables that people query; folding one into the other would take it from them"
STEP_OF_A_MART = (
    "the part of a mart that is built incrementally, where the mart itself changes every day: its"
    " names, or days ago; not for people, who read the mart"
)
OPS_TABLES = (
    "column_profiles",
    "dbt_results",
    "http_requests",
    "loads",
    "runs",
    "schema_changes",
    "steps",
)
RECOMMENDATION_TABLES = (
    "batches",
    "evaluations",
    "popular_tracks",
    "popularity_shadow",
    "promotions",
    "recommendations",
    "similar_tracks",
    "superseded_batches",
    "superseded_popular_tracks",
    "superseded_popularity_shadow",
    "superseded_recommendations",
    "trainings",
)
SERVED = "for the API, which serves it as it is"
GENERATIONS = "the lists of a day now, and those it had before, are in two tables of the same kind"
NEWEST_SHADOW = "the newest popularity shadow has no time of its own, but that of its batch"
EXCEPTIONS: dict[str, dict[str, str]] = {
    "intermediate_dependent_on_marts": dict.fromkeys(
        ("int_charts_ranked", "int_listeners_summarized", "int_listening_days"), STEP_OF_A_MART
    )
    | {
        "int_latest_anomalies": (
            "the last verdicts of a mart, in a table that is never replaced: a view on the mart"
            " itself would be dropped with it"
        ),
        "int_lift_measured": "the last days of a mart, in a table for the same reason",
    },
    "direct_join_to_source": dict.fromkeys(
        (
            "stg_moovitamix__listen_history",
            "stg_moovitamix__rejected_records",
            "stg_moovitamix__tracks",
            "stg_moovitamix__users",
            "stg_spotify__account_streams",
            "stg_spotify__streams",
        ),
        ONE_CLOCK,
    ),
    "model_fanout": {
        "int_step_runs": "the time of all that runs record, which has none of its own",
    },
    "rejoining_of_upstream_concepts": {
        "int_listening_days > rpt_daily_artist_listens > int_charts_ranked": (
            "what is new in a report, and the report"
        ),
        "dim_users > bridge_user_genres > rpt_user_features": STAR,
        "base_crawls__committed > stg_moovitamix__rejected_records > int_quality_measured": (
            ONE_CLOCK
        ),
    },
    "source_fanout": {
        "crawls": "pinned for what is built, and as it is for what judges the loads at any moment",
        "batches": NEWEST_SHADOW,
    },
    "sources_without_freshness": dict.fromkeys(
        OPS_TABLES, "that nobody ran is a finding of rpt_findings, and no fault of these tables"
    )
    | dict.fromkeys(
        RECOMMENDATION_TABLES,
        "that they are old is a finding of rpt_findings; a house need not recommend",
    )
    | dict.fromkeys(
        ("streams", "account_streams", "rejected_records"),
        "an export comes when somebody asks for it",
    ),
    "multiple_sources_joined": dict.fromkeys(
        ("stg_recommendations__batches", "stg_recommendations__recommendations"), GENERATIONS
    )
    | {"stg_recommendations__popularity_shadow": f"{GENERATIONS}; {NEWEST_SHADOW}"},
    "unused_sources": {
        "withdrawn_crawls": "a trace for people; it is not there before the first withdrawal",
        "rejected_records": "those of imports are for who imported; prune and forget know them",
        "popular_tracks": SERVED,
        "similar_tracks": SERVED,
        "superseded_popular_tracks": "what was served before; nothing is judged by it",
    },
    "staging_dependent_on_staging": dict.fromkeys(
        (
            "stg_moovitamix__listen_history",
            "stg_moovitamix__rejected_records",
            "stg_moovitamix__tracks",
            "stg_moovitamix__users",
            "stg_spotify__account_streams",
            "stg_spotify__streams",
        ),
        ONE_CLOCK,
    ),
}

KEYS_OF_TABLES = {
    "stg_moovitamix__landed_crawls": ("raw_moovitamix.crawls",),
    "stg_ops__column_profiles": ("ops.column_profiles",),
    "stg_ops__dbt_results": ("ops.dbt_results",),
    "stg_ops__http_requests": ("ops.http_requests",),
    "stg_ops__loads": ("ops.loads",),
    "stg_ops__runs": ("ops.runs",),
    "stg_ops__steps": ("ops.steps",),
    "stg_recommendations__batches": (
        "recommendations.batches",
        "recommendations.superseded_batches",
    ),
    "stg_recommendations__evaluations": ("recommendations.evaluations",),
    "stg_recommendations__popularity_shadow": (
        "recommendations.popularity_shadow",
        "recommendations.superseded_popularity_shadow",
    ),
    "stg_recommendations__promotions": ("recommendations.promotions",),
    "stg_recommendations__recommendations": (
        "recommendations.recommendations",
        "recommendations.superseded_recommendations",
    ),
    "stg_recommendations__trainings": ("recommendations.trainings",),
}
"""Ephemeral models whose key is the primary key of the tables that each of them reads.

Of two, the second has what the first had before, under keys with the time of it.
"""

LOOKED_UP = {"stg_recommendations__popularity_shadow": "recommendations.batches"}
"""Those of them that look something up in another table, by its primary key."""

JUDGED = {"rpt_findings": ["finding_key"]}
KEYS_OF_READERS: dict[str, dict[str, list[str]]] = {
    "int_crawls_findings": JUDGED,
    "int_loads_findings": JUDGED,
    "int_quality_findings": JUDGED,
    "int_recommendations_findings": JUDGED,
    "int_step_runs": {
        "fct_dbt_results": ["run_id", "unique_id"],
        "fct_table_loads": ["run_id", "table_name"],
    },
    "int_runs_findings": JUDGED,
    "int_steps_compared": {"fct_run_steps": ["run_id", "step_name"]},
    "int_steps_findings": JUDGED,
    "int_tests_findings": JUDGED,
    "stg_ops__schema_changes": {"fct_schema_changes": ["run_id", "description"]},
}
"""Ephemeral models, and the keys of those that read them: a row too many is one too many there."""

TABLE_TESTS = ("unique_keys", "valid_columns", "foreign_keys")
"""One query each for all the keys, the rules of the columns, and the references of a table."""

MODEL_FANOUT = 3
CHAINED_VIEWS = 5
JOINS = 7
LAYERS = {
    "staging": ("stg_",),
    "intermediate": ("int_",),
    # a bridge is a dimension's list of many-to-many pairs; the design names them so
    "marts": ("dim_", "fct_", "rpt_", "bridge_"),
}

SCHEMAS = {"health": "health"}
"""Folders with a schema of their own: for who runs the warehouse, not for who reads it."""


def layer(node: Node) -> str:
    return str(node["fqn"][1])


def name_of(unique_id: str) -> str:
    return unique_id.split(".", 2)[2]


def direct_join_to_source(manifest: Manifest) -> Iterator[str]:
    for model in manifest.models:
        kinds = {parent.split(".")[0] for parent in manifest.parents(model)}
        if {"source", "model"} <= kinds:
            yield model["name"]


def downstream_models_dependent_on_source(manifest: Manifest) -> Iterator[str]:
    for model in manifest.models:
        reads_source = any(parent.startswith("source.") for parent in manifest.parents(model))
        if reads_source and layer(model) != "staging":
            yield model["name"]


def duplicate_sources(manifest: Manifest) -> Iterator[str]:
    seen: set[str] = set()
    for source in manifest.nodes("source"):
        if source["relation_name"] in seen:
            yield source["name"]
        seen.add(source["relation_name"])


def hard_coded_references(manifest: Manifest) -> Iterator[str]:
    pattern = re.compile(r"\b(?:from|join)\s+(?:\"|\{\{\s*var\b|[a-z_][a-z0-9_]*\s*\.)", re.I)
    for node in manifest.nodes("model", "test"):
        code = re.sub(r"\{#.*?#\}|--[^\n]*", "", node["raw_code"], flags=re.S)
        if pattern.search(re.sub(r"extract\([^)]*\)", "", code)):
            yield node["name"]


def model_fanout(manifest: Manifest) -> Iterator[str]:
    for model in manifest.models:
        leaves = [
            child
            for child in manifest.children(model, "model")
            if not manifest.children(manifest.content["nodes"][child], "model")
        ]
        if len(leaves) > MODEL_FANOUT:
            yield model["name"]


def multiple_sources_joined(manifest: Manifest) -> Iterator[str]:
    for model in manifest.models:
        if sum(parent.startswith("source.") for parent in manifest.parents(model)) > 1:
            yield model["name"]


def rejoining_of_upstream_concepts(manifest: Manifest) -> Iterator[str]:
    for model in manifest.models:
        parents = set(manifest.parents(model))
        for parent in parents:
            node = manifest.content["nodes"].get(parent)
            if node is None or node["resource_type"] != "model":
                continue
            only_child = manifest.children(node, "model", "exposure") == [model["unique_id"]]
            for grandparent in set(manifest.parents(node)) & parents:
                if only_child and grandparent.startswith("model."):
                    yield f"{name_of(grandparent)} > {node['name']} > {model['name']}"


def root_models(manifest: Manifest) -> Iterator[str]:
    for model in manifest.models:
        if not manifest.parents(model):
            yield model["name"]


def source_fanout(manifest: Manifest) -> Iterator[str]:
    for source in manifest.nodes("source"):
        if len(manifest.children(source, "model")) > 1:
            yield source["name"]


def staging_dependent_on_later_layers(manifest: Manifest) -> Iterator[str]:
    for model in manifest.models:
        layers = {
            layer(manifest.content["nodes"][parent])
            for parent in manifest.parents(model)
            if parent.startswith("model.")
        }
        if layer(model) == "staging" and layers - {"staging"}:
            yield model["name"]


def staging_dependent_on_staging(manifest: Manifest) -> Iterator[str]:
    for model in manifest.models:
        if layer(model) == "staging" and any(
            parent.startswith("model.") for parent in manifest.parents(model)
        ):
            yield model["name"]


def intermediate_dependent_on_marts(manifest: Manifest) -> Iterator[str]:
    for model in manifest.models:
        reads = {
            layer(manifest.content["nodes"][parent])
            for parent in manifest.parents(model)
            if parent.startswith("model.")
        }
        if layer(model) == "intermediate" and "marts" in reads:
            yield model["name"]


def too_many_joins(manifest: Manifest) -> Iterator[str]:
    for model in manifest.models:
        if len(re.findall(r"\bjoin\b", model["raw_code"], re.I)) >= JOINS:
            yield model["name"]


def unused_sources(manifest: Manifest) -> Iterator[str]:
    for source in manifest.nodes("source"):
        if not manifest.children(source, "model"):
            yield source["name"]


def arguments(manifest: Manifest, node: Node, kind: str, name: str) -> list[object]:
    """What the tests of a kind that a node has ask for in an argument."""
    return [
        item
        for test in manifest.tests_of(node)
        if test["test_metadata"]["name"] == kind
        for item in test["test_metadata"]["kwargs"].get(name, ())
    ]


def checked_keys(manifest: Manifest, node: Node) -> list[list[str]]:
    """Keys that a test or an index checks: no row twice, none without."""
    never_null = refused_nulls(node) | set(arguments(manifest, node, "valid_columns", "never_null"))
    tested = arguments(manifest, node, "unique_keys", "keys")
    # of several columns some may be null, each null being the same to the test
    found = [key for key in tested if isinstance(key, list) and (key[1:] or key[0] in never_null)]
    return unique_indexes(node) + found


def is_checked_elsewhere(node: Node) -> bool:
    """Whether its key is that of its table or its readers, as tests below make sure."""
    return is_ephemeral(node) and (node["name"] in KEYS_OF_TABLES | KEYS_OF_READERS)


def missing_key_checks(manifest: Manifest) -> Iterator[str]:
    for node in manifest.nodes("model", "seed"):
        if not checked_keys(manifest, node) and not is_checked_elsewhere(node):
            yield node["name"]


def models_without_checks(manifest: Manifest) -> Iterator[str]:
    for model in manifest.models:
        is_checked = manifest.tests_of(model) or refused_nulls(model) or unique_indexes(model)
        if not is_checked and not is_checked_elsewhere(model):
            yield model["name"]


def checks_that_could_share_a_query(manifest: Manifest) -> Iterator[str]:
    """One test of each kind for a table, named so that who reads of it knows the table."""
    for node in manifest.nodes("model", "seed"):
        names = {f"{kind}_{node['name']}" for kind in TABLE_TESTS}
        for test in manifest.tests_of(node):
            is_of_rows = test["test_metadata"]["name"] == "contiguous_versions"
            if not is_of_rows and test["name"] not in names:
                yield test["name"]
            names.discard(test["name"])


def checks_of_what_cannot_be(manifest: Manifest) -> Iterator[str]:
    """What PostgreSQL refuses at write time, or others check, is not asked again."""
    for node in manifest.nodes("model", "seed"):
        never_null = arguments(manifest, node, "valid_columns", "never_null")
        yield from (f"{node['name']}.{name}" for name in refused_nulls(node) & set(never_null))
        tested = arguments(manifest, node, "unique_keys", "keys")
        yield from (f"{node['name']}: {key}" for key in unique_indexes(node) if key in tested)
        if tested and is_checked_elsewhere(node):
            yield node["name"]


def sources_without_freshness(manifest: Manifest) -> Iterator[str]:
    for source in manifest.nodes("source"):
        freshness = source["freshness"] or {}
        if not (freshness.get("warn_after") or {}).get("count") or not source["loaded_at_query"]:
            yield source["name"]


def undocumented(manifest: Manifest) -> Iterator[str]:
    for node in manifest.nodes("model", "seed", "source"):
        if not node["description"].startswith("One row per"):
            yield node["name"]
        for column in node["columns"].values():
            if not column["description"].strip() or not column["data_type"]:
                yield f"{node['name']}.{column['name']}"
    for source in manifest.nodes("source"):
        if not source["source_description"]:
            yield source["source_name"]


def undocumented_tests(manifest: Manifest) -> Iterator[str]:
    for test in manifest.nodes("test", "unit_test"):
        if "test_metadata" not in test and not test["description"]:
            yield test["name"]


def misnamed_models(manifest: Manifest) -> Iterator[str]:
    for model in manifest.models:
        if not model["name"].startswith(LAYERS[layer(model)]):
            yield model["name"]


def misplaced_models(manifest: Manifest) -> Iterator[str]:
    for model in manifest.models:
        folders = PurePosixPath(model["original_file_path"]).parts
        right = folders[:3] == ("dbt_project", "models", layer(model))
        if layer(model) == "staging":
            right = right and model["name"].startswith(f"stg_{folders[3]}__")
        if not right or model["schema"] != SCHEMAS.get(folders[3], layer(model)):
            yield model["name"]


def misplaced_descriptions(manifest: Manifest) -> Iterator[str]:
    """A model is described in the one file of its folder, tests of it included."""
    for model in manifest.models:
        file = PurePosixPath(model["original_file_path"])
        described = PurePosixPath((model["patch_path"] or "").removeprefix("listenhouse://"))
        if described != file.parent / f"_{file.parent.name}__models.yml":
            yield model["name"]
    for source in manifest.nodes("source"):
        file = PurePosixPath(source["original_file_path"])
        if file.parent.name != source["source_name"]:
            yield source["name"]


def chained_views(manifest: Manifest) -> Iterator[str]:
    def depth(unique_id: str) -> int:
        node = manifest.content["nodes"].get(unique_id)
        if node is None or node["config"].get("materialized") != "view":
            return 0
        return 1 + max((depth(parent) for parent in manifest.parents(node)), default=0)

    for model in manifest.models:
        if depth(model["unique_id"]) > CHAINED_VIEWS:
            yield model["name"]


def public_models_without_contract(manifest: Manifest) -> Iterator[str]:
    for model in manifest.models:
        is_public = model["access"] == "public"
        if is_public != (layer(model) == "marts") or is_public != model["contract"]["enforced"]:
            yield model["name"]


def foreign_keys_without_reference(manifest: Manifest) -> Iterator[str]:
    owners = {
        column
        for model in manifest.models
        for column in model["columns"]
        if model["name"].startswith("dim_") and next(iter(model["columns"])) == column
    }
    for model in manifest.models:
        if layer(model) != "marts":
            continue
        related = {
            column
            for test in manifest.tests_of(model)
            if test["test_metadata"]["name"] == "foreign_keys"
            for column in test["test_metadata"]["kwargs"]["references"]
        }
        for position, column in enumerate(model["columns"]):
            is_own = position == 0 and model["name"].startswith("dim_")
            target = "date_day" if column == "listened_date" else column.removeprefix("top_")
            if target in owners and not is_own and column not in related:
                yield f"{model['name']}.{column}"


def checks_that_only_warn(manifest: Manifest) -> Iterator[str]:
    for test in manifest.nodes("test"):
        if test["config"]["severity"].lower() != "error":
            yield test["name"]


def personal_data_beyond_staging(manifest: Manifest) -> Iterator[str]:
    personal = {
        column["name"]
        for node in manifest.nodes("source", "model")
        for column in node["columns"].values()
        if column["config"].get("meta", {}).get("pii")
    }
    assert personal >= {"first_name", "last_name", "email", "record"}
    for model in manifest.models:
        if layer(model) != "staging":
            yield from (f"{model['name']}.{name}" for name in personal & set(model["columns"]))
        if layer(model) == "marts":
            reads = {manifest.content["nodes"][p]["name"] for p in manifest.parents(model)}
            if reads & {"stg_moovitamix__users", "stg_moovitamix__rejected_records"}:
                yield model["name"]


def engine_specific_sql(manifest: Manifest) -> Iterator[str]:
    pattern = re.compile(r"::|distinct\s+on\b|->|\bjsonb?_|\bilike\b", re.I)
    for node in manifest.nodes("model", "test"):
        if pattern.search(re.sub(r"\{#.*?#\}|--[^\n]*", "", node["raw_code"], flags=re.S)):
            yield node["name"]
    for macro in manifest.nodes("macro"):
        is_portable = macro["original_file_path"].startswith("macros/portable/")
        if not is_portable and pattern.search(macro["macro_sql"]):
            yield macro["name"]


def columns_listed_twice(manifest: Manifest) -> Iterator[str]:
    # a CTE lists them, and the contract does: what is selected from it at the end is all
    last_select = re.compile(r"\nselect\n(?:    \w+,?\n)+from \w+\n*\Z")
    for model in manifest.models:
        if last_select.search(f"{model['raw_code']}\n"):
            yield model["name"]


def models_with_logic_without_unit_test(manifest: Manifest) -> Iterator[str]:
    # its rows are compared with Python's calendar in test_dates.py: a year is too long to list
    tested = {test["model"] for test in manifest.nodes("unit_test")} | {"dim_dates"}
    yield from (model["name"] for model in manifest.models if model["name"] not in tested)


RULES: list[Rule] = [
    chained_views,
    checks_of_what_cannot_be,
    checks_that_could_share_a_query,
    columns_listed_twice,
    direct_join_to_source,
    downstream_models_dependent_on_source,
    duplicate_sources,
    engine_specific_sql,
    foreign_keys_without_reference,
    hard_coded_references,
    intermediate_dependent_on_marts,
    misnamed_models,
    misplaced_descriptions,
    misplaced_models,
    missing_key_checks,
    model_fanout,
    models_with_logic_without_unit_test,
    models_without_checks,
    multiple_sources_joined,
    personal_data_beyond_staging,
    public_models_without_contract,
    rejoining_of_upstream_concepts,
    root_models,
    source_fanout,
    sources_without_freshness,
    staging_dependent_on_later_layers,
    staging_dependent_on_staging,
    checks_that_only_warn,
    too_many_joins,
    undocumented,
    undocumented_tests,
    unused_sources,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps_the_rule_but_for_named_exceptions(
    manifest: Manifest, rule: Rule
) -> None:
    found = set(rule(manifest))
    excepted = set(EXCEPTIONS.get(rule.__name__, {}))
    assert found - excepted == set(), "breaks the rule"
    assert excepted - found == set(), "stale exception"


def test_exceptions_are_of_rules_that_exist() -> None:
    assert set(EXCEPTIONS) <= {rule.__name__ for rule in RULES}


def test_a_key_that_no_test_asks_for_is_the_primary_key_of_its_table(
    manifest: Manifest, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        create_schema(connection, "raw_moovitamix")
        create_crawls(connection, "raw_moovitamix", ["users"])
        create_ops_tables(connection)
        create_recommendation_tables(connection)
        for name, tables in KEYS_OF_TABLES.items():
            model = manifest.model(name)
            code = re.sub(r"\{#.*?#\}|--[^\n]*", "", model["raw_code"], flags=re.S)
            assert is_ephemeral(model), name
            parents = {
                f"{parent['schema']}.{parent['identifier']}"
                for parent in map(manifest.content["sources"].get, manifest.parents(model))
            }
            looked_up = [LOOKED_UP[name]] if name in LOOKED_UP else []
            assert parents == {*tables, *looked_up}, name
            # a row of a table is one of the model, with all that tells it from others
            assert not re.search(r"unnest|lateral", code), name
            assert len(re.findall(r"\bunion all\b", code)) == len(tables) - 1, name
            assert len(re.findall(r"\bunion\b", code)) == len(tables) - 1, name
            assert len(re.findall(r"\bjoin\b", code)) == len(looked_up), name
            for table in tables:
                key = primary_key(connection, table)
                assert key, name
                assert [column for column in key if not re.search(rf"\b{column}\b", code)] == []
            for table in looked_up:
                alias = table.partition(".")[2]
                for column in primary_key(connection, table):
                    assert re.search(rf"\.{column} = {alias}\.{column}\b", code), name


def primary_key(connection: psycopg.Connection, table: str) -> list[str]:
    return [
        column
        for (column,) in connection.execute(
            "select attname from pg_index join pg_attribute"
            " on attrelid = indrelid and attnum = any(indkey)"
            " where indisprimary and indrelid = %s::regclass",
            (table,),
        )
    ]


def test_a_key_that_no_test_asks_for_is_part_of_one_that_is_checked(manifest: Manifest) -> None:
    for name, readers in KEYS_OF_READERS.items():
        assert is_ephemeral(manifest.model(name)), name
        for reader, key in readers.items():
            assert key in checked_keys(manifest, manifest.model(reader)), name
            assert f"model.listenhouse.{name}" in manifest.parents(manifest.model(reader)), name


def without_test(manifest: Manifest, name: str) -> Manifest:
    nodes = {key: node for key, node in manifest.content["nodes"].items() if node["name"] != name}
    assert len(nodes) == len(manifest.content["nodes"]) - 1
    return Manifest({**manifest.content, "nodes": nodes})


def changed(manifest: Manifest, name: str, **config: object) -> Manifest:
    model = manifest.model(name)
    model = {**model, "config": {**model["config"], **config}}
    nodes = {**manifest.content["nodes"], model["unique_id"]: model}
    return Manifest({**manifest.content, "nodes": nodes})


def test_a_table_without_a_check_of_its_key_is_found(manifest: Manifest) -> None:
    def found(manifest: Manifest) -> set[str]:
        return set(missing_key_checks(manifest))

    assert found(without_test(manifest, "unique_keys_fct_listens")) == {"fct_listens"}
    assert found(without_test(manifest, "unique_keys_gender_groups")) == {"gender_groups"}
    # a single column has to be there as well
    assert found(without_test(manifest, "valid_columns_fct_runs")) == {"fct_runs"}
    assert found(changed(manifest, "dim_artists", indexes=[])) == {"dim_artists"}
    assert found(
        changed(manifest, "dim_artists", indexes=[{"columns": ["artist_key"], "unique": False}])
    ) == {"dim_artists"}
    # artist_name may be null
    assert found(
        changed(manifest, "dim_artists", indexes=[{"columns": ["artist_name"], "unique": True}])
    ) == {"dim_artists"}
    # a view has neither constraints nor indexes
    assert found(changed(manifest, "dim_artists", materialized="view")) == {"dim_artists"}
    assert found(changed(manifest, "stg_ops__runs", materialized="view")) == {"stg_ops__runs"}


def test_a_check_of_what_cannot_be_is_found(manifest: Manifest) -> None:
    indexed = changed(
        manifest, "fct_listens", indexes=[{"columns": ["listen_key"], "unique": True}]
    )
    assert set(checks_of_what_cannot_be(indexed)) == {"fct_listens: ['listen_key']"}
