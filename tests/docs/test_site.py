"""The documentation's site: built as people build it, opened in a browser without a network."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from mkdocs.config import load_config
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from playwright.sync_api import Browser

from documentation.hooks import dictionary, on_page_markdown
from documentation.star_schema import FILE, draw
from tests.dbt_project.parsed_project import leave_parsed
from tests.docs.snippets import PAGES
from tests.monitoring.browsing import VIEWPORTS
from tests.monitoring.conftest import browser  # noqa: F401 (a fixture)
from warehouse.settings import PROJECT_ROOT, Settings

DEMO_PAGES = ("listening.html", "wrapped.html", "health.html")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the site, and dbt's artifacts beside it."""
    folder = tmp_path_factory.mktemp("site")
    leave_parsed(folder / "dbt", Settings(home=folder).database_url)
    (folder / "demo" / "pages").mkdir(parents=True)
    (folder / "demo" / "world.txt").write_text("3 simulated days up to 2026-03-01.\n")
    for name in DEMO_PAGES:
        (folder / "demo" / "pages" / name).write_text(name)
    made = subprocess.run(
        # -o: the environment is the one that the tests run in
        ["make", "-o", ".venv/dev", "site", f"SITE={folder / 'site'}"],  # noqa: S607
        cwd=PROJECT_ROOT,
        env=os.environ
        | {
            "DBT_TARGET_PATH": str(folder / "dbt"),
            "DBT_LOG_PATH": str(folder / "logs"),
            "DEMO": str(folder / "demo"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


def test_the_pages_of_a_demo_are_on_the_site_with_the_world_they_show(built: Path) -> None:
    site = built / "site"
    text = (site / "demo.html").read_text()
    assert "3 simulated days up to 2026-03-01." in text
    for name in DEMO_PAGES:
        assert (site / "pages" / name).read_text() == name
        assert f'href="pages/{name}"' in text


def test_a_site_without_a_demo_says_how_to_make_one(tmp_path: Path) -> None:
    config = load_config(str(PROJECT_ROOT / "mkdocs.yml"))
    config.extra["demo"] = str(tmp_path)
    page = Page("Demo", File("demo.md", config.docs_dir, config.site_dir, False), config)
    text = on_page_markdown("", page=page, config=config, files=Files([]))
    assert "Run `make demo`" in str(text)


def test_every_page_is_on_the_site(built: Path) -> None:
    for page in PAGES[1:]:
        address = page.relative_to(PROJECT_ROOT / "docs").with_suffix(".html")
        if address.name == "README.html":
            address = address.with_name("index.html")
        assert (built / "site" / address).exists(), address


def test_the_dictionary_starts_with_the_fact_and_follows_the_star(built: Path) -> None:
    manifest = json.loads((built / "dbt" / "manifest.json").read_text())
    listening = re.findall(r"^## (\w+)", dictionary(manifest)["listening"], re.MULTILINE)
    assert listening == [
        *("fct_listens", "dim_users", "dim_tracks", "dim_dates", "dim_artists", "dim_albums"),
        *("bridge_track_genres", "dim_genres", "bridge_user_genres"),
    ]


def test_the_star_schema_is_drawn_as_the_manifest_has_it(built: Path) -> None:
    manifest = json.loads((built / "dbt" / "manifest.json").read_text())
    assert FILE.read_text() == draw(manifest), "dbt parse && python -m documentation.star_schema"


def test_the_dictionary_has_every_table_and_column(built: Path) -> None:
    manifest = json.loads((built / "dbt" / "manifest.json").read_text())
    pages = "\n".join(dictionary(manifest).values())
    tables = [
        node
        for node in [*manifest["nodes"].values(), *manifest["sources"].values()]
        if node["resource_type"] in ("model", "seed", "source")
    ]
    assert len(tables) > 60
    for table in tables:
        _, _, entry = pages.partition(f"\n## {_title(table)} {{")
        entry, _, _ = entry.partition("\n## ")
        for name, column in table["columns"].items():
            assert f"\n| `{name}` | {column['data_type'] or ''} | " in entry, (table["name"], name)


def _title(table: dict[str, str]) -> str:
    schema = f"{table['schema']}." if table["resource_type"] == "source" else ""
    return f"{schema}{table['name']}"


def test_the_site_opens_offline_and_its_search_finds(built: Path, browser: Browser) -> None:  # noqa: F811
    site = built / "site"
    page = browser.new_page()
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    names = ["concepts.html", "dictionary/listening.html", "dictionary/dbt.html", "fr/index.html"]

    for name in names:
        page.goto((site / name).as_uri())
        page.wait_for_load_state("networkidle")
    page.locator("input.md-search__input").fill("conservation_broken")
    page.locator(".md-search-result__item", has_text="conservation_broken").first.wait_for(
        timeout=60_000
    )

    page.close()
    assert {url.partition(":")[0] for url in requests} <= {"file", "data", "blob"}
    assert errors == []


DRAWN = (
    "index",
    "architecture",
    "publishing",
    "lakehouse",
    "questions",
    "fr/index",
    "fr/questions",
)
"""Pages with a drawing of arrows."""


@pytest.mark.parametrize("viewport", VIEWPORTS)
def test_no_drawing_is_cut_off(browser: Browser, built: Path, viewport: str) -> None:  # noqa: F811
    width, height = VIEWPORTS[viewport]
    page = browser.new_page(viewport={"width": width, "height": height})
    for name in DRAWN:
        page.goto((built / "site" / f"{name}.html").as_uri())
        drawings = page.locator("pre", has_text="▼").all()
        assert drawings, name
        for drawing in drawings:
            hidden = drawing.evaluate(
                "pre => [pre, ...pre.children].map(each => each.scrollWidth - each.clientWidth)"
            )
            assert max(hidden) <= 0, (name, hidden)
    page.close()


def test_pages_ask_for_nothing_from_elsewhere(built: Path) -> None:
    theme = yaml.safe_load((PROJECT_ROOT / "mkdocs.yml").read_text().replace("!ENV", ""))["theme"]
    assert theme["font"] is False
    for page in (built / "site").rglob("*.html"):
        if page.name == "dbt.html":
            continue  # opened above: what its script could fetch is not to be seen in its text
        text = page.read_text()
        assert not _loaded_from_elsewhere(text), page


def _loaded_from_elsewhere(page: str) -> list[str]:
    tags = ("<script", "<link", "<img", "<iframe", "<source")
    return [
        line
        for line in page.replace("<", "\n<").splitlines()
        if line.startswith(tags)
        and ("src=" in line or "stylesheet" in line or "preconnect" in line)
        if "//" in line.partition(">")[0].replace("file://", "")
    ]
