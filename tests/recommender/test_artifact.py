"""Files of models: what was written, or nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from recommender.artifact import BrokenArtifactError, artifact_file, read_artifact, write_artifact
from warehouse.errors import RecommenderError

ARRAYS = {"factors": np.arange(12, dtype=np.float32), "track_ids": np.array(["a", "ä", "10"])}


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    sha256 = write_artifact(tmp_path / "models", ARRAYS)

    arrays = read_artifact(tmp_path / "models", sha256)

    assert {name: array.tolist() for name, array in arrays.items()} == {
        name: array.tolist() for name, array in ARRAYS.items()
    }
    assert [path.name for path in (tmp_path / "models").iterdir()] == [f"{sha256}.npz"]


def test_a_changed_file_is_broken_however_small_the_change(tmp_path: Path) -> None:
    sha256 = write_artifact(tmp_path, ARRAYS)
    path = artifact_file(tmp_path, sha256)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(BrokenArtifactError, match="its sha256 differs"):
        read_artifact(tmp_path, sha256)


def test_a_missing_file_is_broken(tmp_path: Path) -> None:
    with pytest.raises(BrokenArtifactError, match="No such file"):
        read_artifact(tmp_path, "0" * 64)


def test_no_pickle_is_written_or_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle=False"):
        write_artifact(tmp_path, {"objects": np.array([{"a": 1}])})
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, objects=np.array([{"a": 1}]))
    sha256 = hashlib.sha256(pickled.read_bytes()).hexdigest()
    pickled.rename(artifact_file(tmp_path, sha256))

    with pytest.raises(BrokenArtifactError, match="holds no arrays"):
        read_artifact(tmp_path, sha256)


def test_a_folder_that_cannot_be_made_is_said_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(RecommenderError, match="LISTENHOUSE_MODELS"):
        write_artifact(tmp_path / "file" / "models", ARRAYS)
