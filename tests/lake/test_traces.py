"""The scan of the lake's files finds a person wherever they are, and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lake.traces import Sought, find_in_files
from tests.lake.conftest import House

# what they copy is made once
pytestmark = pytest.mark.xdist_group("lake")


def found(house: House, source: str, person_id: str, keys: tuple[str, ...] = ()) -> set[str]:
    """The tables in whose files a person is."""
    sought = Sought(source, person_id, keys, lambda text: text == "user2@example.org")
    folder = str(house.folder)
    paths = [path.removeprefix(folder) for path in find_in_files(house.settings, sought)]
    return {Path(path).parts[2] for path in paths}


def test_ids_keys_and_addresses_are_found(house: House) -> None:
    ids = {
        "moovitamix_users",
        "moovitamix_listen_history",
        "int_users_versioned",
        "dim_users",
        "rpt_user_features",
        "rpt_user_track_affinities",
    }
    assert found(house, "moovitamix", "2") >= ids
    ((key,),) = house.query("select user_key::text from marts.dim_users where user_id = '2'")
    assert found(house, "moovitamix", "0", (key,)) >= {"dim_users", "bridge_user_genres"}
    # nobody, and somebody of another source
    assert found(house, "moovitamix", "0") == found(house, "spotify", "2") == set()
    house.but(lake_personal=True).publish()
    assert found(house, "moovitamix", "0") == {"moovitamix_users"}
