"""The registry of models: MLflow's tables in schema `mlflow`, and one file per model.

In: fitted models. Out: numbered versions, aliases that say which one is in use, and models that
are what was registered. MLflow is imported when it is needed: that takes seconds.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray

from recommender.artifact import BrokenArtifactError, artifact_file, read_artifact, write_artifact
from recommender.fallback import ColdStart
from recommender.models import FittedModel
from recommender.panel import Candidate, load_model
from warehouse.database import create_schema, explain_failure, library_url
from warehouse.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

SCHEMA = "mlflow"

CHAMPION, CHALLENGER, PREVIOUS_CHAMPION = "champion", "challenger", "previous_champion"
"""Aliases: in use, trained last and not in use, in use before."""

KEPT_ARTIFACTS = 10
"""Files of the newest versions that are kept, besides those that have an alias."""


@dataclass(frozen=True)
class Version:
    """A registered model.

    Attributes:
        number: Its number in the registry, from 1, as text.
        training_id: The training that made it.
        candidate: The recipe that it was fitted by.
        data_cutoff: The boundary of the data that it was fitted to, UTC.
        sha256: Of its file.
        aliases: What it is, of the aliases above.
        registered_at: When, UTC.
    """

    number: str
    training_id: UUID
    candidate: Candidate
    data_cutoff: datetime
    sha256: str
    aliases: tuple[str, ...]
    registered_at: datetime

    @property
    def label(self) -> str:
        """How people are told of it."""
        return f"version {self.number} ({self.candidate.name})"


@dataclass(frozen=True)
class LoadedModel:
    """A model as it was registered.

    Attributes:
        version: Its version.
        model: The model.
        track_ids: The track of each of its columns.
    """

    version: Version
    model: FittedModel
    track_ids: NDArray[np.object_]


class Registry:
    """The models of one source."""

    def __init__(self, settings: Settings, client: MlflowClient, source_name: str) -> None:
        self._settings = settings
        self._client = client
        self._name = f"listenhouse-{source_name}"
        self._folder = settings.model_directory / source_name

    def create(self) -> None:
        """Makes the source's place in the registry, when it is missing."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        with self._explained():
            try:
                self._client.create_registered_model(self._name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise

    def register(
        self,
        model: FittedModel,
        candidate: Candidate,
        track_ids: NDArray[np.object_],
        training_id: UUID,
        data_cutoff: datetime,
    ) -> Version:
        """Writes a model's file and makes it a version.

        Args:
            model: The model.
            candidate: What it was fitted by.
            track_ids: The track of each of its columns.
            training_id: The training that made it.
            data_cutoff: The boundary of the data that it was fitted to.

        Raises:
            RecommenderError: The file cannot be written.
            DatabaseError: The registry cannot be written.
        """
        arrays = model.to_arrays() | {"track_ids": track_ids.astype(np.str_)}
        tags = {
            "training_id": str(training_id),
            "candidate": candidate.name,
            "kind": candidate.kind,
            "parameters": json.dumps(dict(candidate.parameters)),
            "cold_start": json.dumps(asdict(candidate.cold_start)),
            "data_cutoff": data_cutoff.isoformat(),
            "sha256": write_artifact(self._folder, arrays),
        }
        source = artifact_file(self._folder, tags["sha256"]).as_uri()
        with self._explained():
            return _describe(self._client.create_model_version(self._name, source, tags=tags))

    def load(self, version: Version) -> LoadedModel:
        """Reads a model from its file.

        Raises:
            BrokenArtifactError: The file is not what was registered.
        """
        arrays = read_artifact(self._folder, version.sha256)
        try:
            track_ids = arrays.pop("track_ids").astype(np.object_)
            model = load_model(version.candidate.kind, arrays)
        except (KeyError, ValueError) as error:
            raise BrokenArtifactError(
                f"{artifact_file(self._folder, version.sha256)} holds no model of the kind "
                f"{version.candidate.kind}: {error}"
            ) from error
        return LoadedModel(version, model, track_ids)

    def find(self, alias: str) -> Version | None:
        """The version that has an alias, if one has it."""
        return next((version for version in self.versions() if alias in version.aliases), None)

    def point(self, alias: str, version: Version) -> None:
        """Gives an alias to a version, and so takes it from the one that had it."""
        with self._explained():
            self._client.set_registered_model_alias(self._name, alias, version.number)

    def remove(self, alias: str) -> None:
        """Takes an alias from the version that has it, if one has it."""
        with self._explained():
            self._client.delete_registered_model_alias(self._name, alias)

    def versions(self) -> list[Version]:
        """All versions, the newest first."""
        with self._explained():
            found = self._client.search_model_versions(f"name = '{self._name}'")
            aliases = self._client.get_registered_model(self._name).aliases
        # what somebody else registered under the name is none of ours
        ours = [_describe(version, aliases) for version in found if "sha256" in version.tags]
        return sorted(ours, key=lambda version: int(version.number), reverse=True)

    def delete_old_artifacts(self) -> None:
        """Deletes the files of versions that have no alias and are not among the newest."""
        versions = self.versions()
        needed = {version.sha256 for version in versions[:KEPT_ARTIFACTS]}
        needed |= {version.sha256 for version in versions if version.aliases}
        for version in versions:
            if version.sha256 not in needed:
                # one that cannot be deleted harms nobody
                with suppress(OSError):
                    artifact_file(self._folder, version.sha256).unlink(missing_ok=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

        try:
            yield
        except (MlflowException, SQLAlchemyError) as error:
            raise explain_failure(self._settings, error) from error


def open_registry(settings: Settings, connection: psycopg.Connection, source_name: str) -> Registry:
    """Opens the registry, which is made when it is missing.

    Args:
        settings: Which warehouse.
        connection: Connection that may create schemas.
        source_name: Whose models.

    Raises:
        DatabaseError: It cannot be made or read.
    """
    create_schema(connection, SCHEMA)
    import_mlflow()
    from mlflow import MlflowClient  # noqa: PLC0415

    url = library_url(settings, "listenhouse registry", {"search_path": SCHEMA})
    url = f"postgresql+psycopg://{url.partition('://')[2]}"
    registry = Registry(settings, MlflowClient(tracking_uri=url, registry_uri=url), source_name)
    registry.create()
    return registry


def import_mlflow() -> None:
    """Imports MLflow with its store, which takes seconds."""
    # read when it is imported
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_CONFIGURE_LOGGING": "false"}
    for library in ("mlflow", "alembic"):
        logging.getLogger(library).setLevel(logging.ERROR)
    import_module("mlflow.store.tracking.sqlalchemy_store")


def exists(connection: psycopg.Connection) -> bool:
    """Whether there is a registry to open."""
    row = connection.execute("select to_regclass('mlflow.model_versions') is not null").fetchone()
    return bool(row and row[0])


def _describe(version: ModelVersion, aliases: dict[str, str] | None = None) -> Version:
    tags = version.tags
    return Version(
        number=str(version.version),
        training_id=UUID(tags["training_id"]),
        candidate=Candidate(
            tags["candidate"],
            tags["kind"],
            json.loads(tags["parameters"]),
            # of versions that were registered before there was a choice
            ColdStart(**json.loads(tags["cold_start"])) if "cold_start" in tags else ColdStart(),
        ),
        data_cutoff=datetime.fromisoformat(tags["data_cutoff"]),
        sha256=tags["sha256"],
        aliases=tuple(
            alias
            for alias, number in sorted((aliases or {}).items())
            if str(number) == str(version.version)
        ),
        registered_at=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
    )
