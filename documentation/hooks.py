"""What MkDocs adds to the site that nobody writes by hand: dictionary, dbt's page, a demo's pages.

In: `manifest.json` and `static_index.html`, as `dbt parse` and `dbt docs generate --static` leave
them; the folder of a demo, if there is one. Out: the pages `dictionary/*.md`,
`dictionary/dbt.html`, `pages/*.html`, the list of decisions.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

Node = Mapping[str, Any]

_DEMO_PAGES = {
    "listening": "the listening dashboard",
    "wrapped": "a month on one page",
    "health": "the health page",
}
"""Pages that a demo leaves, and what they are."""

_DEMO_PAGE = "demo.md"

_WIDE = {"questions.md", "fr/questions.md"}
"""Pages with a table that takes the place of their contents too."""

_CHAPTERS = {
    "listening": "The star schema: who listened to what, in schema `marts`.\n\n"
    "![The fact in the middle, and the tables it refers to](../images/star-schema.svg)",
    "reports": "What people ask for first, in schema `marts`.",
    "features": "The data mart for models, in schema `marts`.",
    "recommendations": "What was recommended and what came of it, in schema `marts`.",
    "health": "How the warehouse does, in schema `health`.",
    "intermediate": "Between staging and marts, in schema `intermediate`: nobody's interface.",
    "staging": "Landing as of the last crawl, renamed and typed, in schema `staging`.",
    "seeds": "What people edit, in schemas `staging` and `health`.",
    "sources": "What dbt reads and others write.",
}
"""Pages of the dictionary, in their order, and what is on them."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts every decision into the navigation, where `decisions/*.md` stands."""
    folder = Path(config.docs_dir) / "decisions"
    decisions = ["decisions/README.md"]
    decisions += [f"decisions/{path.name}" for path in sorted(folder.glob("[0-9]*.md"))]
    for section in config.nav or ():
        for entries in section.values():
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, dict) and entry.get("Decisions") == "decisions/*.md":
                    entry["Decisions"] = decisions
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the dictionary, dbt's page, and the pages of a demo.

    Raises:
        PluginError: dbt's artifacts are not there.
    """
    target = Path(config.extra["dbt_target"])
    manifest, page = target / "manifest.json", target / "static_index.html"
    if missing := [str(path) for path in (manifest, page) if not path.exists()]:
        raise PluginError(
            f"{' and '.join(missing)} not found: run `make site`, which has dbt write."
        )
    for name, text in dictionary(json.loads(manifest.read_text())).items():
        files.append(File.generated(config, f"dictionary/{name}.md", content=text))
    files.append(File.generated(config, "dictionary/dbt.html", abs_src_path=str(page)))
    if _demo_world(config):
        for name in _DEMO_PAGES:
            path = Path(config.extra["demo"]) / "pages" / f"{name}.html"
            files.append(File.generated(config, f"pages/{name}.html", abs_src_path=str(path)))
    return files


def on_page_markdown(
    markdown: str, *, page: Page, config: MkDocsConfig, files: Files
) -> str | None:
    """Adds the list of decisions and the pages of a demo, and makes room for wide tables."""
    del files
    if page.file.src_uri in _WIDE:
        page.meta["hide"] = ["toc"]
    if page.file.src_uri == _DEMO_PAGE:
        return f"{markdown}\n{_demo_links(config)}"
    if page.file.src_uri != "decisions/README.md":
        return None
    folder = Path(config.docs_dir) / "decisions"
    titles = [
        f"- [{path.read_text().partition(chr(10))[0].removeprefix('# ')}]({path.name})"
        for path in sorted(folder.glob("[0-9]*.md"))
    ]
    return "\n".join([markdown, "", *(title.replace(". ", "\\. ", 1) for title in titles)])


def _demo_world(config: MkDocsConfig) -> str | None:
    """What the demo simulated, None where none has ended."""
    world = Path(config.extra["demo"]) / "world.txt"
    return world.read_text().strip() if world.exists() else None


def _demo_links(config: MkDocsConfig) -> str:
    world = _demo_world(config)
    if world is None:
        return (
            "This site was built without a demo, so it has no such pages. Run `make demo`, then "
            "`make site` again.\n"
        )
    links = [f"- [{what.capitalize()}](pages/{name}.html)" for name, what in _DEMO_PAGES.items()]
    return "\n".join([f"This site has the pages of {world}", "", *links, ""])


def dictionary(manifest: Node) -> dict[str, str]:
    """Writes what dbt knows of the tables for people.

    Args:
        manifest: The content of `manifest.json`.

    Returns:
        Pages as Markdown, by name: `index` and one for each chapter.
    """
    tested = _tests_by_column(manifest)
    found: dict[str, list[Node]] = defaultdict(list)
    for node in [*manifest["nodes"].values(), *manifest["sources"].values()]:
        if chapter := _chapter(node):
            found[chapter].append(node)
    referred = references(manifest)
    chapters = {chapter: from_facts_on(nodes, referred) for chapter, nodes in found.items()}
    pages = {"index": _index(chapters)}
    for chapter, what in _CHAPTERS.items():
        tables = (_table(node, manifest, tested[node["unique_id"]]) for node in chapters[chapter])
        pages[chapter] = "\n\n".join([f"# {chapter.capitalize()}", what, *tables]) + "\n"
    return pages


class Reference(NamedTuple):
    """A column that names a row of a table."""

    column: str
    table: str
    field: str


def references(manifest: Node) -> dict[str, list[Reference]]:
    """What each table refers to, by its name, as the tests `foreign_keys` check it."""
    return {
        manifest["nodes"][test["attached_node"]]["name"]: list(_references(generic["kwargs"]))
        for test in manifest["nodes"].values()
        if (generic := test.get("test_metadata")) and generic["name"] == "foreign_keys"
    }


def _references(arguments: Node) -> Iterator[Reference]:
    for column, referred in arguments["references"].items():
        table = re.sub(r".*'(\w+)'\).*", r"\1", referred["to"])
        yield Reference(column, table, referred["field"])


def from_facts_on(nodes: Iterable[Node], referred: Mapping[str, Sequence[Reference]]) -> list[Node]:
    """Orders tables as a reader meets them: facts, what they refer to, what that refers to.

    Args:
        nodes: Tables of a chapter.
        referred: What each table refers to.

    Returns:
        Facts first; a table that none of those before it refers to comes by its name.
    """
    left = {_title(node): node for node in sorted(nodes, key=_title)}
    beginnings = sorted(left, key=lambda name: not name.startswith("fct_"))
    ordered = []
    for beginning in beginnings:
        waiting = [beginning]
        for name in waiting:
            if node := left.pop(name, None):
                ordered.append(node)
                waiting += [reference.table for reference in referred.get(name, ())]
    return ordered


def _chapter(node: Node) -> str | None:
    match node["resource_type"], node["fqn"]:
        case "source", _:
            return "sources"
        case "seed", _:
            return "seeds"
        case "model", [_, "marts", folder, *_]:
            return str(folder)
        case "model", [_, layer, *_]:
            return str(layer)
    return None


def _title(node: Node) -> str:
    if node["resource_type"] == "source":
        return f"{node['schema']}.{node['name']}"
    return str(node["name"])


def _index(chapters: Mapping[str, list[Node]]) -> str:
    lines = [
        "# Data dictionary",
        "",
        "Generated from dbt's manifest, so it matches the code. Types are part of the contract "
        "of every mart: a build that would change one fails. "
        "[dbt's own page](dbt.html) has the lineage and the SQL, in one file that opens offline; "
        "`make docs` writes the same with what is in your warehouse.",
    ]
    for chapter, what in _CHAPTERS.items():
        summary, _, _ = what.partition("\n")
        lines += [
            "",
            f"## {chapter.capitalize()}",
            "",
            summary,
            "",
            "| table | grain |",
            "|---|---|",
        ]
        for node in chapters[chapter]:
            grain = _one_line(node["description"]).partition(". ")[0].rstrip(".")
            lines.append(f"| [{_title(node)}]({chapter}.md#{_anchor(node)}) | {grain} |")
    return "\n".join(lines) + "\n"


def _table(node: Node, manifest: Node, tested: Mapping[str, list[str]]) -> str:
    parts = [f"## {_title(node)} {{ #{_anchor(node)} }}", _paragraph(node["description"])]
    parents = [
        _reference(manifest, parent)
        for parent in manifest["parent_map"].get(node["unique_id"], ())
        if parent in manifest["nodes"] or parent in manifest["sources"]
    ]
    if parents:
        parts.append(f"From {', '.join(parents)}.")
    if whole := tested.get(""):
        parts.append(f"Tested: {', '.join(whole)}.")
    rows = [
        f"| `{name}` | {column['data_type'] or ''} | {_one_line(column['description'])} "
        f"| {', '.join(tested.get(name, ()))} |"
        for name, column in node["columns"].items()
    ]
    if rows:
        parts.append("\n".join(["| column | type | what | tests |", "|---|---|---|---|", *rows]))
    return "\n\n".join(parts)


def _reference(manifest: Node, unique_id: str) -> str:
    node = manifest["nodes"].get(unique_id) or manifest["sources"][unique_id]
    chapter = _chapter(node)
    return f"[{_title(node)}]({chapter}.md#{_anchor(node)})" if chapter else _title(node)


def _anchor(node: Node) -> str:
    return _title(node).replace(".", "-")


def _tests_by_column(manifest: Node) -> dict[str, dict[str, list[str]]]:
    """What is checked, by table and column; what is about no column is under ''."""
    tested: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model" and node["config"]["materialized"] != "view":
            for column, check in _refused(node):
                tested[node["unique_id"]][column].append(check)
    for test in manifest["nodes"].values():
        generic = test.get("test_metadata")
        if not generic:
            continue
        node = test["attached_node"] or next(iter(test["depends_on"]["nodes"]))
        for column, check in _tests(generic):
            tested[node][column or test["column_name"] or ""].append(check)
    return tested


def _refused(model: Node) -> Iterator[tuple[str, str]]:
    """What PostgreSQL refuses to write, as column and check."""
    for name, column in model["columns"].items():
        if any(constraint["type"] == "not_null" for constraint in column["constraints"]):
            yield name, "never null"
    for index in model["config"].get("indexes") or ():
        if index.get("unique"):
            yield _unique(index["columns"])


def _tests(generic: Node) -> Iterator[tuple[str, str]]:
    """What a generic test asks for, as column, if it names one, and check."""
    arguments = generic["kwargs"]
    match generic["name"]:
        case "foreign_keys":
            for reference in _references(arguments):
                yield reference.column, f"in {reference.table}.{reference.field}"
        case "unique_keys":
            yield from map(_unique, arguments["keys"])
        case "valid_columns":
            yield from ((column, "never null") for column in arguments.get("never_null", ()))
            for column, values in arguments.get("accepted_values", {}).items():
                yield column, f"one of {_listed(values)}"
            for column, (lowest, highest) in arguments.get("within", {}).items():
                yield column, f"{lowest:,} to {highest:,}"
        case name:
            yield "", str(name).replace("_", " ")


def _unique(columns: Sequence[str]) -> tuple[str, str]:
    if len(columns) == 1:
        return columns[0], "unique"
    return "", f"unique ({', '.join(columns)})"


def _listed(values: Iterable[object]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _one_line(text: str) -> str:
    return _paragraph(" ".join(text.split())).replace("|", "\\|")


def _paragraph(text: str) -> str:
    # an asterisk or a bracket in a description is itself
    return re.sub(r"([*<\[])", r"\\\1", text.strip())
