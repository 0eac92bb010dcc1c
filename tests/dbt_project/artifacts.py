"""The project as dbt parses it.

In: the content of `manifest.json`. Out: its nodes, and who reads whom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Node = dict[str, Any]


@dataclass(frozen=True)
class Manifest:
    """What `dbt parse` knows of the project.

    Attributes:
        content: `manifest.json`.
    """

    content: dict[str, Any]

    def nodes(self, *kinds: str) -> list[Node]:
        """The nodes of these resource types, by name."""
        found = [
            node
            for part in ("nodes", "sources", "exposures", "macros", "unit_tests")
            for node in self.content[part].values()
            if node["resource_type"] in kinds and node["package_name"] == "listenhouse"
        ]
        return sorted(found, key=lambda node: str(node["unique_id"]))

    @property
    def models(self) -> list[Node]:
        """The models."""
        return self.nodes("model")

    def model(self, name: str) -> Node:
        """The model of this name."""
        node: Node = self.content["nodes"][f"model.listenhouse.{name}"]
        return node

    def parents(self, node: Node) -> list[str]:
        """Unique ids of what a node reads."""
        parents: list[str] = self.content["parent_map"][node["unique_id"]]
        return parents

    def children(self, node: Node, *kinds: str) -> list[str]:
        """Unique ids of what reads a node, of these kinds (`model`, `exposure`, …)."""
        return [
            child
            for child in self.content["child_map"][node["unique_id"]]
            if child.split(".")[0] in kinds
        ]

    def tests_of(self, node: Node) -> list[Node]:
        """The generic tests that are attached to a node."""
        return [
            test for test in self.nodes("test") if test.get("attached_node") == node["unique_id"]
        ]


def is_ephemeral(node: Node) -> bool:
    """Whether a model is no table or view, but a part of those that read it."""
    return bool(node["config"].get("materialized") == "ephemeral")


def refused_nulls(node: Node) -> set[str]:
    """Columns that PostgreSQL never stores a null in."""
    is_stored = node["config"]["materialized"] in ("table", "incremental")
    if node["resource_type"] != "model" or not is_stored or not node["contract"]["enforced"]:
        return set()
    return {
        column["name"]
        for column in node["columns"].values()
        if any(constraint["type"] == "not_null" for constraint in column["constraints"])
    }


def unique_indexes(node: Node) -> list[list[str]]:
    """Keys that PostgreSQL never stores twice: it lets nulls be."""
    indexes = node["config"].get("indexes") or []
    keys = [index["columns"] for index in indexes if index.get("unique")]
    return [key for key in keys if set(key) <= refused_nulls(node)]
