"""What the data tests of a daily build read: all rows, or what was built since the last audit.

In: the run's connection, the project as dbt parsed it. Out: dbt's variable `audit_since`, which
macros/audit.sql turns into fewer rows, and a row in `intermediate.audits`.

An audit of what changed proves as much as a complete one only behind an audit that passed, by the
same tests, of landing as it still is. Where that is not so, all rows are read; and once a week, as
rows can be damaged that no build wrote.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import GenericTestNode, SingularTestNode
from psycopg import sql
from psycopg.rows import class_row

from ingestion.sources.moovitamix import LANDING_SCHEMA

COMPLETE_EVERY = timedelta(days=7)
"""How old the last complete audit may be."""

_CRAWLS = "model.listenhouse.base_crawls__committed"
_A_RECORDED_MODEL = "model.listenhouse.int_listening_days"


@dataclass(frozen=True)
class _Last:
    tests_hash: str
    passed_at: datetime | None
    boundary_at: datetime | None
    is_boundary_landed: bool
    completed_at: datetime | None


class Audit:
    """The tests of one build.

    Attributes:
        since: The crawl that was audited last, in UTC; None where all rows are read.
        reason: Why all rows are read; empty where they are not.
    """

    def __init__(
        self, connection: psycopg.Connection, manifest: Manifest, *, complete: bool
    ) -> None:
        """Decides what is read.

        Args:
            connection: The run's, in autocommit mode; it holds the run's lock.
            manifest: The project.
            complete: Whether all rows are asked for.
        """
        self._connection = connection
        self._id = str(uuid.uuid4())
        schema = manifest.nodes[_A_RECORDED_MODEL].schema
        self._audits = sql.Identifier(schema, "audits")
        self._changed_units = sql.Identifier(schema, "changed_units")
        crawls = manifest.nodes[_CRAWLS]
        self._crawls = sql.Identifier(crawls.schema, crawls.name)
        self._tests_hash = _hash_tests(manifest)
        self._started_at = datetime.now(UTC).replace(tzinfo=None)
        last = self._find_last(schema)
        self.reason = "asked for" if complete else self._reason_for_all(last)
        self.since = None if self.reason or last is None else last.boundary_at

    @property
    def description(self) -> str:
        """What is read, as a person reads it."""
        if self.since is None:
            return f"on all rows ({self.reason})"
        return f"on what was built since {self.since:%Y-%m-%d %H:%M:%S} UTC"

    def begin(self) -> None:
        """Writes down that it is under way, and takes over what it is to read.

        Before the first build there is nothing to write in, nor anything to take over.
        """
        if not self._has_tables:
            return
        with self._connection.transaction():
            self._connection.execute(
                sql.SQL("update {} set invocation_id = %s").format(self._changed_units),
                (self._id,),
            )
            self._record(passed_at=None)

    def succeed(self, invocation_id: str) -> None:
        """Writes down that every test passed.

        Args:
            invocation_id: dbt's, of the build: what it built, its tests have read.
        """
        with self._connection.transaction():
            self._connection.execute(
                sql.SQL("delete from {} where invocation_id = any(%s)").format(self._changed_units),
                ([self._id, invocation_id],),
            )
            self._record(passed_at=datetime.now(UTC).replace(tzinfo=None))

    def _record(self, passed_at: datetime | None) -> None:
        self._connection.execute(
            sql.SQL(
                """
                insert into {audits} (
                    audit_id, is_complete, tests_hash, started_at, passed_at, boundary_at
                )
                select %(id)s, %(complete)s, %(hash)s, %(started)s, %(passed)s, max(boundary_at)
                from {crawls}
                on conflict (audit_id) do update set
                    passed_at = excluded.passed_at, boundary_at = excluded.boundary_at
                """
            ).format(audits=self._audits, crawls=self._crawls),
            {
                "id": self._id,
                "complete": self.since is None,
                "hash": self._tests_hash,
                "started": self._started_at,
                "passed": passed_at,
            },
        )

    def _find_last(self, schema: str) -> _Last | None:
        row = self._connection.execute(
            "select to_regclass(format('%%I.audits', %s::text)) is not null", (schema,)
        ).fetchone()
        self._has_tables = bool(row and row[0])
        if not self._has_tables:
            return None
        with self._connection.cursor(row_factory=class_row(_Last)) as cursor:
            return cursor.execute(
                sql.SQL(
                    """
                    select
                        tests_hash,
                        passed_at,
                        boundary_at,
                        exists (
                            select from {landed} as crawls
                            where crawls.boundary_at at time zone 'UTC' = audits.boundary_at
                        ) as is_boundary_landed,
                        (
                            select max(started_at) from {audits}
                            where is_complete and passed_at is not null
                        ) as completed_at
                    from {audits} as audits
                    order by started_at desc
                    limit 1
                    """
                ).format(audits=self._audits, landed=sql.Identifier(LANDING_SCHEMA, "crawls"))
            ).fetchone()

    def _reason_for_all(self, last: _Last | None) -> str:
        if last is None:
            return "the first"
        if last.passed_at is None:
            return "the last one failed or was interrupted"
        if last.tests_hash != self._tests_hash:
            return "the tests are others than those of the last one"
        if not last.is_boundary_landed:
            return "the crawl of the last one was withdrawn"
        if last.completed_at is None or self._started_at - last.completed_at >= COMPLETE_EVERY:
            return f"the last complete one is {COMPLETE_EVERY.days} days old"
        return ""


def _hash_tests(manifest: Manifest) -> str:
    """Over what the tests ask, with the macros that they may ask it by."""
    asked = [
        f"{node.unique_id} {node.raw_code} {getattr(node, 'test_metadata', '')}"
        for node in manifest.nodes.values()
        if isinstance(node, GenericTestNode | SingularTestNode)
    ]
    asked += [
        macro.macro_sql
        for macro in manifest.macros.values()
        if macro.package_name == manifest.metadata.project_name
    ]
    return hashlib.sha256("\n".join(sorted(asked)).encode()).hexdigest()
