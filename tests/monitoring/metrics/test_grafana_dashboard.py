"""What Grafana and the containers are given fits together; Grafana itself does not run here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring.grafana import dashboard
from monitoring.metrics.queries import PARTS, PREFIX
from warehouse.settings import PROJECT_ROOT, Settings

GRAFANA = PROJECT_ROOT / "monitoring" / "grafana"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of docker-compose.yml."""
    services: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text())[
        "services"
    ]
    return services


def test_the_file_is_what_the_code_makes() -> None:
    assert dashboard.FILE.read_text() == dashboard.render_dashboard(), (
        "run `python -m monitoring.grafana.dashboard`"
    )


def test_every_metric_of_the_warehouse_but_clocks_is_shown() -> None:
    queries = dashboard.FILE.read_text()
    shown = set(re.findall(rf"{PREFIX}(\w+)", queries))
    exposed = {name for part in PARTS for name in part.metrics}
    assert exposed - shown == {
        "last_run_start_timestamp_seconds",
        "last_run_end_timestamp_seconds",
        "last_run_duration_seconds",
        "step_end_timestamp_seconds",
        "step_read_bytes",
        "http_requests_total",
        "http_received_bytes_total",
        "daily_metric_timestamp_seconds",
        "feed_published_timestamp_seconds",
        "recommendation_lift_timestamp_seconds",
    }


def test_panels_do_not_overlap_and_have_numbers_of_their_own() -> None:
    panels = json.loads(dashboard.FILE.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    covered = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(covered)) == len(covered)
    assert max(x for x, _ in covered) == 23


def test_what_is_mounted_exists_and_is_where_grafana_looks(services: dict[str, Any]) -> None:
    mounted = {
        target: PROJECT_ROOT / source
        for service in services.values()
        for source, target, *_ in (volume.split(":") for volume in service.get("volumes", []))
        if source.startswith("./")
    }
    assert all(source.exists() for source in mounted.values())
    (provider,) = yaml.safe_load(
        (mounted["/etc/grafana/provisioning"] / "dashboards" / "listenhouse.yml").read_text()
    )["providers"]
    folder = Path(provider["options"]["path"])
    assert mounted[str(folder / "listenhouse.json")] == dashboard.FILE
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert mounted[home] == dashboard.FILE
    assert (mounted["/etc/prometheus"] / "prometheus.yml").exists()


def test_services_find_each_other(services: dict[str, Any]) -> None:
    (datasource,) = yaml.safe_load(
        (GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text()
    )["datasources"]
    configuration = yaml.safe_load(
        (PROJECT_ROOT / "monitoring" / "prometheus" / "prometheus.yml").read_text()
    )
    (job,) = configuration["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]

    assert datasource["url"] == "http://prometheus:9090"
    assert datasource["jsonData"]["timeInterval"] == configuration["global"]["scrape_interval"]
    assert target == f"metrics:{Settings().metrics_port}"
    assert services["metrics"]["command"][-1] == str(Settings().metrics_port)
    assert services["prometheus"]["ports"][0].endswith(":9090")


def test_monitoring_is_a_profile_open_to_this_machine_only(services: dict[str, Any]) -> None:
    # ports, versions and health checks of all services: tests/containers
    asked_for = {name for name, service in services.items() if "monitoring" in service["profiles"]}
    assert asked_for == {"postgres", "metrics", "prometheus", "grafana"}
