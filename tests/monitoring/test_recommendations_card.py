"""Recommendations on the listening page, and the links from page to page."""

from __future__ import annotations

from uuid import uuid4

from playwright.sync_api import Browser

from monitoring import wording
from monitoring.health_page import page as health_page
from monitoring.listening_page import page as listening_page
from monitoring.wrapped_page import page as wrapped_page
from tests.dbt_project.warehouse_build import Warehouse
from tests.monitoring.browsing import opened_page
from warehouse.settings import Settings


def test_the_card_has_the_lift_and_neighbours_of_the_track_heard_most(
    browser: Browser, copied: Warehouse
) -> None:
    ((track, *neighbours),) = copied.query(
        """
        select (array_agg(track_id order by listens desc, track_id))[1:4] from (
            select track_id, count(*) as listens from marts.fct_listens group by 1
        ) as heard
        """
    )[0]
    for rank, neighbour in enumerate(neighbours, start=1):
        copied.execute(
            "insert into recommendations.similar_tracks values"
            f" ('moovitamix', '{track}', {rank}, '{neighbour}', 0.5, '{uuid4()}', now())"
        )
    names = dict(copied.query("select track_id, track_name from marts.dim_tracks where is_current"))
    ((version, rate, lift, lower, upper),) = copied.query(
        "select model_version, conversion_rate, lift, lift_lower, lift_upper"
        " from marts.rpt_model_lift"
    )
    settings = Settings(home=copied.folder, external_database_url=copied.url)
    file = settings.listening_page_file
    listening_page.write_page(settings, file, "marts")
    with opened_page(browser, file, "phone") as page:
        card = page.inner_text("#recommended").replace("\N{NO-BREAK SPACE}", " ")
        assert f"model version {version} recommended" in card
        assert plain(wording.percentage(rate)) in card
        assert f"{wording.points(lift)} points of lift" in card
        assert f"{wording.points(lower)} to {wording.points(upper)}" in card
        assert f"Nearest to {names[track]}" in card
        rows = page.locator("#recommended tbody tr").all_inner_texts()
        assert [row.split("\t")[1] for row in rows] == neighbours
        assert [row.startswith(names[each]) for row, each in zip(rows, neighbours, strict=True)]
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_house_that_never_recommended_has_no_card(browser: Browser, copied: Warehouse) -> None:
    copied.execute("drop schema recommendations cascade")
    settings = Settings(home=copied.folder, external_database_url=copied.url)
    listening_page.write_page(settings, settings.listening_page_file, "marts")
    with opened_page(browser, settings.listening_page_file) as page:
        assert page.locator("#recommended").count() == 0


def test_each_page_leads_to_those_beside_it(browser: Browser, copied: Warehouse) -> None:
    settings = Settings(home=copied.folder, external_database_url=copied.url)
    for _ in range(2):
        listening_page.write_page(settings, settings.listening_page_file, "marts")
        wrapped_page.write_page(settings, settings.wrapped_page_file, "marts")
        health_page.write_page(settings, settings.health_page_file)
    files = {
        file.name: file
        for file in (
            settings.listening_page_file,
            settings.wrapped_page_file,
            settings.health_page_file,
        )
    }
    for name, file in files.items():
        with opened_page(browser, file, "phone") as page:
            links = [a.get_attribute("href") for a in page.locator(".house a").all()]
            assert sorted(filter(None, links)) == sorted(files.keys() - {name})
    # by mail or HTTP, there is nothing beside it
    assert 'href="listening.html"' not in health_page.make_page(settings)


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")
