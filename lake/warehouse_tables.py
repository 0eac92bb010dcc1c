"""What goes to the lake: landing as bronze, versions of records as silver, marts as gold.

In: a snapshot of PostgreSQL. Out: tables, with how they are read and what changed in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from psycopg import sql

from lake.columns import Column, arrow_schema, column
from lake.publications import LEDGER, UNIT_COLUMNS
from lake.snapshot import Snapshot
from warehouse.errors import LakeError

_SILVER = ("int_users_versioned", "int_tracks_versioned")
"""Models of `intermediate` that people need: records by version, with all that is known of them."""

_MONTHS_OF = {"fct_listens": "listened_at"}
"""The column by whose months a table is partitioned, and that it is sorted by."""

_VALID_FROM, _VALID_TO = "_dlt_valid_from", "_dlt_valid_to"

KEY_SEPARATOR = "\x1f"
"""Stands between the columns of a unit, where it is written as a text."""


@dataclass(frozen=True)
class LandingTable:
    """A table of landing.

    Attributes:
        source: The source, whose name the table's begins with in the lake.
        schema: Where it lands.
        name: Its name there.
        key: First column of what identifies a record; None where rows are events, not versions.
        columns: The columns that go to the lake; None for all that are there.
        event_at: Column with when an event landed. The table `crawls` has that of crawls.
    """

    source: str
    schema: str
    name: str
    key: str | None
    columns: frozenset[str] | None
    event_at: str = "landed_at"


@dataclass(frozen=True)
class LakeTable:
    """A table as it goes to the lake.

    Attributes:
        layer: Its namespace in the lake.
        name: Its name there.
        relation: Where it is in PostgreSQL.
        columns: Its columns.
        boundary_at: The crawl that it is as of, in UTC.
        version: The build, or the crawl, that its rows are of.
        unit: Columns that name what changes as a whole; empty where all of it does.
        landing: What it lands as; None for a model.
    """

    layer: str
    name: str
    relation: sql.Identifier
    columns: tuple[Column, ...]
    boundary_at: datetime
    version: str
    unit: tuple[str, ...] = ()
    landing: LandingTable | None = None

    @property
    def full_name(self) -> str:
        """Namespace and name."""
        return f"{self.layer}.{self.name}"

    @property
    def schema(self) -> pa.Schema:
        """Its Arrow schema."""
        return arrow_schema(self.columns)

    @property
    def month_of(self) -> str | None:
        """The column by whose months it is partitioned, and that it is sorted by."""
        return _MONTHS_OF.get(self.name)

    def select(self, changed_keys: sql.Composable | None = None) -> sql.Composed:
        """The query of its rows.

        Args:
            changed_keys: A query of units; without it, all rows.
        """
        conditions: list[sql.Composable] = []
        if self.landing is not None:
            landed_at = _VALID_FROM if self.has_versions else self.landing.event_at
            conditions.append(
                sql.SQL("{} <= {}").format(sql.Identifier(landed_at), sql.Literal(self.boundary_at))
            )
        if changed_keys is not None:
            units = sql.SQL(", ").join(map(sql.Identifier, self.unit))
            conditions.append(sql.SQL("({}) in ({})").format(units, changed_keys))
        query = sql.SQL("select {} from {}").format(
            sql.SQL(", ").join(map(self._selected, self.columns)), self.relation
        )
        if conditions:
            query += sql.SQL(" where ") + sql.SQL(" and ").join(conditions)
        if self.month_of:
            query += sql.SQL(" order by {}").format(sql.Identifier(self.month_of))
        return query

    @property
    def has_versions(self) -> bool:
        """Whether it is landing that keeps every version of a record."""
        return self.landing is not None and self.landing.key is not None

    def units_published(self) -> sql.Composed:
        """The query of the units of a model that were published since the lake was."""
        types = {column.name: sql.SQL(column.database_type) for column in self.columns}
        keys = [
            sql.SQL("cast({} as {})").format(sql.Identifier(f"key_{place}"), types[name])
            for place, name in enumerate(self.unit, start=1)
        ]
        return sql.SQL("select {} from {} where model_name = {}").format(
            sql.SQL(", ").join(keys), sql.Identifier(*LEDGER), sql.Literal(self.name)
        )

    def units_changed(self, since: datetime) -> sql.Composed:
        """The query of the records of landing of which a version began or ended since a crawl."""
        return sql.SQL(
            "select {key} from {relation} where"
            " ({valid_from} > {since} and {valid_from} <= {until})"
            " or ({valid_to} > {since} and {valid_to} <= {until})"
        ).format(
            key=sql.SQL(", ").join(map(sql.Identifier, self.unit)),
            relation=self.relation,
            valid_from=sql.Identifier(_VALID_FROM),
            valid_to=sql.Identifier(_VALID_TO),
            since=sql.Literal(since),
            until=sql.Literal(self.boundary_at),
        )

    def _selected(self, column: Column) -> sql.Composable:
        if self.has_versions and column.name == _VALID_TO:
            # what a crawl closed that is not published yet is open
            name = sql.Identifier(_VALID_TO)
            return sql.SQL("case when {} <= {} then {} end as {}").format(
                name, sql.Literal(self.boundary_at), name, name
            )
        return column.selected


def find_boundary(snapshot: Snapshot) -> datetime:
    """The crawl that people read marts as of.

    Args:
        snapshot: Of PostgreSQL.

    Raises:
        LakeError: There is none, or what was built since is not published.
    """
    boundary_at: datetime | None
    ((boundary_at, waiting),) = snapshot.rows(
        sql.SQL(
            """
            select
                max(published.boundary_at),
                min(published.model_name) filter (
                    where
                        published.model_name = any({silver})
                        and published.built_by is distinct from builds.built_by
                )
            from intermediate.published_builds as published
            left join intermediate.model_builds as builds
                on published.model_name = builds.model_name
            """
        ).format(silver=sql.Literal(list(_SILVER)))
    )
    if boundary_at is None:
        raise LakeError(
            "There is nothing to bring to the lake: marts were never published. Run `dbt build`."
        )
    if waiting:
        raise LakeError(
            f"The lake stays as it is: {waiting} was built since the marts were published, and the "
            "lake shows one day. `dbt test` publishes what passes, and says what does not."
        )
    # dbt writes UTC without saying so
    return boundary_at.replace(tzinfo=UTC)


def find_tables(
    snapshot: Snapshot, landing: Sequence[LandingTable], boundary_at: datetime
) -> list[LakeTable]:
    """All tables that go to the lake, as of the published crawl.

    Args:
        snapshot: Of PostgreSQL.
        landing: Tables of landing; those that are not there are left out.
        boundary_at: The crawl.

    Raises:
        LakeError: A column has a type that is not known.
    """
    columns = _find_columns(snapshot, landing)
    units = dict(
        snapshot.rows(
            sql.SQL("select model_name, unit_columns from {}").format(sql.Identifier(*UNIT_COLUMNS))
        )
    )
    tables = [
        _landing_table(snapshot, table, columns[table.schema, table.name], boundary_at)
        for table in landing
        if (table.schema, table.name) in columns
    ]
    builds = snapshot.rows(
        sql.SQL("select model_name, built_by from intermediate.published_builds order by 1")
    )
    for model_name, built_by in builds:
        for schema, layer in (("intermediate", "silver"), ("marts", "gold")):
            if (schema, model_name) in columns:
                tables.append(
                    LakeTable(
                        layer=layer,
                        name=model_name,
                        relation=sql.Identifier(schema, model_name),
                        columns=columns[schema, model_name],
                        boundary_at=boundary_at,
                        version=built_by,
                        unit=tuple((units.get(model_name) or "").split()),
                    )
                )
    return tables


def _landing_table(
    snapshot: Snapshot, table: LandingTable, columns: tuple[Column, ...], boundary_at: datetime
) -> LakeTable:
    relation = sql.Identifier(table.schema, table.name)
    version = boundary_at.isoformat()
    if table.key is None:
        # events are never changed, only added, and taken with a person
        ((version,),) = snapshot.rows(
            sql.SQL(
                "select concat(count(*), ' ', max({at})) from {table} where {at} <= {boundary}"
            ).format(
                at=sql.Identifier(table.event_at),
                table=relation,
                boundary=sql.Literal(boundary_at),
            )
        )
    return LakeTable(
        layer="bronze",
        name=f"{table.source}_{table.name}",
        relation=relation,
        columns=tuple(c for c in columns if table.columns is None or c.name in table.columns),
        boundary_at=boundary_at,
        version=version,
        unit=(table.key,) if table.key else (),
        landing=table,
    )


def _find_columns(
    snapshot: Snapshot, landing: Sequence[LandingTable]
) -> dict[tuple[str, str], tuple[Column, ...]]:
    """The columns of tables, in their order, by schema and name."""
    found: dict[tuple[str, str], list[Column]] = {}
    for schema, table, name, database_type in snapshot.rows(
        sql.SQL(
            """
            select
                nspname::text,
                relname::text,
                attname::text,
                format_type(atttypid, null)
            from pg_attribute
            inner join pg_class on attrelid = pg_class.oid
            inner join pg_namespace on relnamespace = pg_namespace.oid
            where
                relkind = 'r'
                and attnum > 0
                and not attisdropped
                and (
                    nspname = 'marts'
                    or (nspname = 'intermediate' and relname = any({silver}))
                    or nspname || '.' || relname = any({landing})
                )
            order by nspname, relname, attnum
            """
        ).format(
            silver=sql.Literal(list(_SILVER)),
            landing=sql.Literal([f"{table.schema}.{table.name}" for table in landing]),
        )
    ):
        columns = found.setdefault((schema, table), [])
        columns.append(column(f"{schema}.{table}", name, database_type))
    return {key: tuple(columns) for key, columns in found.items()}
