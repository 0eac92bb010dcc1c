"""What the last days are: the same in the features for models and on the listening page."""

from __future__ import annotations

from collections import Counter

import psycopg

from monitoring.listening_page.data import PERIODS, read_listening
from tests.dbt_project.warehouse_build import Warehouse


def test_the_last_days_are_the_same_for_models_and_on_the_page(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.url, autocommit=True) as connection:
        data = read_listening(connection, "marts")
    assert data.last_day is not None
    # the last crawl came weeks or months after the last listen
    assert warehouse.query(
        f"select min(data_cutoff_at)::date > '{data.last_day}' from marts.rpt_track_features"
    ) == [(True,)]
    for days in (7, 30):
        period = PERIODS.index(days)
        features = warehouse.query(
            f"select track_name, artist_name, listen_count_last_{days}_days"
            " from marts.rpt_track_features inner join marts.dim_tracks using (track_key)"
            f" where listen_count_last_{days}_days > 0 order by 3 desc"
        )
        listens, _, tracks, _ = data.totals[0][period]
        assert 0 < listens == sum(count for _, _, count in features)
        assert tracks == len(features)
        chart = data.tracks[0][period]
        assert [count for _, _, count, _ in chart] == [row[2] for row in features[: len(chart)]]
        assert not Counter(row[:3] for row in chart) - Counter(features)
