"""The rules that the project keeps, checked over the manifest.

Those that any dbt project can be judged by stand in `dbt-bouncer.yml`. Here are our own, and the
standard ones that dbt-bouncer does not say: what keys are checked by, what goes for a single table
of a source, what seeds and sources describe.

Each rule here names what breaks it. What may, stands in `EXCEPTIONS` with the reason; an exception
that nothing needs any more fails too, there as here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import psycopg
import pytest
import yaml

from ingestion.landing.crawl_ledger import create_crawls
from recommender.tables import create_tables as create_recommendation_tables
from tests.commands import run_script
from tests.dbt_project.artifacts import (
    Manifest,
    Node,
    is_ephemeral,
    refused_nulls,
    unique_indexes,
)
from warehouse.database import create_schema
from warehouse.ops.tables import create_tables as create_ops_tables
from warehouse.settings import PROJECT_ROOT

Rule = Callable[[Manifest], Iterator[str]]

BOUNCER = PROJECT_ROOT / "dbt-bouncer.yml"

OPS_TABLES = (
    "column_profiles",
    "dbt_results",
    "http_requests",
    "loads",
    "publications",
    "runs",
    "schema_changes",
    "steps",
)
RECOMMENDATION_TABLES = (
    "batches",
    "canaries",
    "canary_users",
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
NEWEST_SHADOW = "the newest popularity shadow has no time of its own, but that of its batch"
EXCEPTIONS: dict[str, dict[str, str]] = {
    "model_fanout": {
        "int_step_runs": "the time of all that runs record, which has none of its own",
        "fct_recommendation_outcomes": "by day, model, canary and exploration, a report each",
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
    )
    | dict.fromkeys(("listens", "offsets"), "events come when somebody listens"),
    "unused_sources": {
        "withdrawn_crawls": "a trace for people; it is not there before the first withdrawal",
        "rejected_records": "those of imports are for who imported; prune and forget know them",
        "offsets": "of the consumer, which moves them with the events; they check themselves",
        "popular_tracks": SERVED,
        "similar_tracks": SERVED,
        "superseded_popular_tracks": "what was served before; nothing is judged by it",
    },
}

KEYS_OF_TABLES = {
    "stg_moovitamix__landed_crawls": ("raw_moovitamix.crawls",),
    "stg_ops__column_profiles": ("ops.column_profiles",),
    "stg_ops__dbt_results": ("ops.dbt_results",),
    "stg_ops__http_requests": ("ops.http_requests",),
    "stg_ops__loads": ("ops.loads",),
    "stg_ops__publications": ("ops.publications",),
    "stg_ops__runs": ("ops.runs",),
    "stg_ops__steps": ("ops.steps",),
    "stg_recommendations__batches": (
        "recommendations.batches",
        "recommendations.superseded_batches",
    ),
    "stg_recommendations__canaries": ("recommendations.canaries",),
    "stg_recommendations__canary_users": ("recommendations.canary_users",),
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
    "int_events_plays": {
        "int_events_listen_history": ["source_name", "user_id", "created_at", "valid_from"],
        "int_events_tracks": ["source_name", "track_id", "valid_from"],
        "int_events_users": ["source_name", "user_id", "valid_from"],
    },
    "int_loads_findings": JUDGED,
    "int_publications_findings": JUDGED,
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


def layer(node: Node) -> str:
    return str(node["fqn"][1])


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


def source_fanout(manifest: Manifest) -> Iterator[str]:
    for source in manifest.nodes("source"):
        if len(manifest.children(source, "model")) > 1:
            yield source["name"]


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


def undocumented_seeds_and_sources(manifest: Manifest) -> Iterator[str]:
    """Of these dbt-bouncer only asks whether there is a description, of columns not even that."""
    for node in manifest.nodes("seed", "source"):
        if not node["description"].startswith("One row per"):
            yield node["name"]
        for column in node["columns"].values():
            if not column["description"].strip() or not column["data_type"]:
                yield f"{node['name']}.{column['name']}"


def undocumented_tests(manifest: Manifest) -> Iterator[str]:
    for test in manifest.nodes("test", "unit_test"):
        if "test_metadata" not in test and not test["description"]:
            yield test["name"]


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


PORTABLE = ("macros/portable/", "macros/publication/")
"""Where each engine has SQL of its own: what publishes is PostgreSQL's."""


def engine_specific_sql(manifest: Manifest) -> Iterator[str]:
    pattern = re.compile(r"::|distinct\s+on\b|->|\bjsonb?_|\bilike\b", re.I)
    for node in manifest.nodes("model", "test"):
        if pattern.search(re.sub(r"\{#.*?#\}|--[^\n]*", "", node["raw_code"], flags=re.S)):
            yield node["name"]
    for macro in manifest.nodes("macro"):
        is_portable = macro["original_file_path"].startswith(PORTABLE)
        if not is_portable and pattern.search(macro["macro_sql"]):
            yield macro["name"]


RULES: list[Rule] = [
    checks_of_what_cannot_be,
    checks_that_could_share_a_query,
    engine_specific_sql,
    foreign_keys_without_reference,
    hard_coded_references,
    misplaced_descriptions,
    missing_key_checks,
    model_fanout,
    models_without_checks,
    personal_data_beyond_staging,
    source_fanout,
    sources_without_freshness,
    checks_that_only_warn,
    undocumented_seeds_and_sources,
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


def bounce(manifest: Manifest, folder: Path, config: Path) -> list[dict[str, str]]:
    """What breaks the rules of a configuration of dbt-bouncer."""
    (folder / "target").mkdir(exist_ok=True)
    (folder / "target/manifest.json").write_text(json.dumps(manifest.content))
    output = folder / "failures.json"
    run = run_script(
        *("dbt-bouncer", "--config-file", str(config)),
        *("--output-file", str(output), "--output-only-failures"),
        environment={"DBT_PROJECT_DIR": str(folder)},
    )
    # 1: a rule is broken; more: the rules cannot be read, or there is nothing that they go for
    assert run.returncode in (0, 1), run.stdout + run.stderr
    failures: list[dict[str, str]] = json.loads(output.read_text())
    assert bool(failures) == bool(run.returncode)
    return failures


def test_the_project_keeps_the_rules_of_dbt_bouncer(manifest: Manifest, tmp_path: Path) -> None:
    failures = bounce(manifest, tmp_path, BOUNCER)
    assert [failure["failure_message"] for failure in failures] == []


def test_what_rules_of_dbt_bouncer_include_or_exclude_is_there(
    manifest: Manifest, tmp_path: Path
) -> None:
    checks = yaml.safe_load(BOUNCER.read_text())["manifest_checks"]
    files = [model["original_file_path"] for model in manifest.models]
    for check in checks:
        if "include" in check:
            assert any(re.match(check["include"], file) for file in files), check
    excepting = [check for check in checks if "exclude" in check]
    strict = [{key: check[key] for key in check if key != "exclude"} for check in excepting]
    (tmp_path / "strict.yml").write_text(yaml.safe_dump({"manifest_checks": strict}))
    failures = bounce(manifest, tmp_path, tmp_path / "strict.yml")
    for number, check in enumerate(excepting):
        broken = [
            failure["file_path"]
            for failure in failures
            if failure["check_run_id"].startswith(f"{check['name']}:{number}:")
        ]
        stale = [one for one in check["exclude"] if not any(re.match(one, f) for f in broken)]
        assert stale == [], check["name"]


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
