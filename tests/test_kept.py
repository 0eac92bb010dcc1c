"""What is kept between runs is whole, and of what it was made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import kept


def test_what_is_kept_is_whole_and_of_the_same_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "kept")
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "half").touch()
        if len(made) == 1:
            raise KeyboardInterrupt
        assert [file.name for file in folder.iterdir()] == ["half"]
        (folder / "whole").touch()

    # killed in the middle
    with pytest.raises(KeyboardInterrupt):
        kept.kept("thing", ["seeds"], make, "monday")
    for _ in range(2):
        folder = kept.kept("thing", ["seeds"], make, "monday")
        assert (folder / "whole").exists()
    assert len(made) == 2

    tuesday = kept.kept("thing", ["seeds"], make, "tuesday")
    others = kept.kept("thing", ["macros"], make, "tuesday")
    assert len(made) == 4
    assert others != tuesday
    # of one thing only the last is kept
    assert [path for path in (tmp_path / "kept").iterdir() if path.is_dir()] == [others]
