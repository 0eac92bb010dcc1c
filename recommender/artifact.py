"""A model on the disk: one npz file, never a pickle, named by its content.

In: arrays. Out: a file and its sha256; the arrays again, if the file is still what was written.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np

from recommender.models import Arrays
from warehouse.errors import RecommenderError


class BrokenArtifactError(RecommenderError):
    """A model's file is gone, was changed, or cannot be read."""


def write_artifact(folder: Path, arrays: Arrays) -> str:
    """Writes arrays to a file, whole or not at all.

    Args:
        folder: Where to; made when it is missing.
        arrays: By name; numbers and text, no Python objects.

    Returns:
        The sha256 of the file, which is also its name.

    Raises:
        RecommenderError: The folder cannot be written.
    """
    draft = folder / f"draft-{os.getpid()}.npz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        sha256 = _hash(draft)
        draft.replace(artifact_file(folder, sha256))
    except OSError as error:
        raise RecommenderError(
            f"The model cannot be written to {folder} ({error.strerror}): correct the folder's "
            "rights or make room, or choose another with LISTENHOUSE_MODELS."
        ) from error
    return sha256


def read_artifact(folder: Path, sha256: str) -> Arrays:
    """Reads the arrays of a file, when it holds what was written.

    Args:
        folder: Where the models are.
        sha256: What `write_artifact` returned.

    Returns:
        The arrays.

    Raises:
        BrokenArtifactError: It does not, or is gone.
    """
    path = artifact_file(folder, sha256)
    try:
        if _hash(path) != sha256:
            raise BrokenArtifactError(f"{path} is not what was written: its sha256 differs")
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except OSError as error:
        raise BrokenArtifactError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, zipfile.BadZipFile) as error:
        raise BrokenArtifactError(f"{path} holds no arrays") from error


def artifact_file(folder: Path, sha256: str) -> Path:
    """Where the file of a model is."""
    return folder / f"{sha256}.npz"


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
