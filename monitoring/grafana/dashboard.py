"""The Grafana dashboard of the warehouse.

In: the names of the metrics. Out: `listenhouse.json` beside this file, for Grafana 11.6 or
newer; after a change here, `python -m monitoring.grafana.dashboard` writes it anew.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
    VariableRefresh,
    VariableSort,
)

from monitoring.metrics.queries import PREFIX
from monitoring.rule_thresholds import read_rules

FILE = Path(__file__).parent / "listenhouse.json"

_DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

# of a grid that is 24 columns wide
_EIGHTH, _THIRD, _HALF = 3, 8, 12

_LAST_VALUE = common.ReduceDataOptions().calcs(["lastNotNull"])

_Panels = Sequence[stat.Panel | timeseries.Panel | statetimeline.Panel | bargauge.Panel]


def main() -> None:
    """Writes the file."""
    FILE.write_text(render_dashboard(), encoding="utf-8")


def render_dashboard() -> str:
    """Builds the dashboard.

    Returns:
        The JSON that Grafana reads.
    """
    builder = (
        dashboard.Dashboard("Listenhouse")
        .uid("listenhouse")
        .description("Whether the warehouse is well: findings, runs, landing, source, builds.")
        .tags(["listenhouse"])
        .editable()
        .timezone("utc")
        .time("now-7d", "now")
        .refresh("1m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
        )
        .with_variable(_variable("instance", "listenhouse_up"))
        .with_variable(_variable("metric", _series("daily_metric_value")))
        .with_variable(_variable("subject", _series("daily_metric_value", metric="$metric")))
    )
    # what links to a panel names its number
    numbers = itertools.count(1)
    for title, panels in (
        ("Now", _now()),
        ("Findings", _findings()),
        ("Runs", _runs()),
        ("Landing and marts", _landing()),
        ("Days: $metric of $subject", _days()),
        ("API", _api()),
        ("Quality of the data", _quality()),
        ("Recommendations", _recommendations()),
        ("dbt", _build()),
        ("Scrapes", _scrapes()),
    ):
        builder.with_row(dashboard.Row(title).id(next(numbers)))
        for panel in panels:
            builder.with_panel(panel.id(next(numbers)))
    return json.dumps(builder.build(), cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"


def _now() -> _Panels:
    late = Threshold(round(float(read_rules()["run_missed"]["threshold"]) * 3600), "red")
    return (
        _number("Database", _series("up")).mappings(
            [
                ValueMap(
                    {
                        "0": ValueMappingResult(text="down", color="red"),
                        "1": ValueMappingResult(text="up", color="green"),
                    }
                )
            ]
        ),
        _number("Last run", f"{_series('last_run_status')} == 1", legend="{{status}}")
        .text_mode(BigValueTextMode.NAME)
        .override_by_regexp("/failed|died/", [_fixed_color("red")])
        .override_by_regexp("/interrupted/", [_fixed_color("orange")])
        .override_by_regexp("/running/", [_fixed_color("blue")]),
        _number(
            "Since a success",
            f"time() - max({_series('last_run_success_timestamp_seconds')})",
            unit="s",
            limit=late,
        ),
        _number(
            "Age of the data",
            f"time() - {_series('built_boundary_timestamp_seconds')}",
            unit="s",
            limit=late,
        ),
        _number(
            "Critical",
            f"sum({_series('findings', severity='critical')})",
            limit=Threshold(1, "red"),
        ),
        _number(
            "Warnings",
            f"sum({_series('findings', severity='warning')})",
            limit=Threshold(1, "orange"),
        ),
        _number(
            "Anomalies",
            f"sum({_series('daily_metric_anomaly')})",
            limit=Threshold(1, "orange"),
        ),
        _number(
            "In quarantine",
            f"sum({_series('open_rejected_records')})",
            limit=Threshold(1, "orange"),
        ),
    )


def _findings() -> _Panels:
    return (
        _ranking("Open now, by rule", f"sum by (rule) ({_series('findings')})", "{{rule}}"),
        _states("Over time", f"sum by (rule) ({_series('findings')})", "{{rule}}"),
    )


def _runs() -> _Panels:
    return (
        _lines("Duration of steps", (_series("step_duration_seconds"), "{{step}}"), unit="s"),
        _lines("CPU time of steps", (_series("step_cpu_seconds"), "{{step}}"), unit="s"),
        _lines("Peak memory", (_series("step_peak_memory_bytes"), "{{step}}"), unit="bytes"),
        _lines("Written to disk", (_series("step_written_bytes"), "{{step}}"), unit="bytes"),
        _bars(
            "Runs of 24 hours",
            (f"sum by (status) (increase({_series('runs_total')}[1d]))", "{{status}}"),
        ),
        _lines("Attempt of the last run", (_series("last_run_attempt"), "{{command}}")),
    )


def _landing() -> _Panels:
    return (
        _lines("Rows landed", (_series("last_load_rows", outcome="landed"), "{{table}}")),
        _lines(
            "Rows dropped or rejected",
            (_series("last_load_rows", outcome="!landed"), "{{table}}: {{outcome}}"),
        ),
        _lines(
            "Versions opened, closed, carried",
            (_series("last_load_versions"), "{{table}}: {{change}}"),
        ),
        _lines("Bytes copied", (_series("last_load_job_bytes"), "{{table}}"), unit="bytes"),
        _lines(
            "Age",
            (f"time() - {_series('landed_boundary_timestamp_seconds')}", "landing"),
            (f"time() - {_series('built_boundary_timestamp_seconds')}", "marts"),
            unit="s",
            span=_THIRD * 2,
        ),
    )


def _days() -> _Panels:
    chosen = {"metric": "$metric", "subject": "$subject"}
    return (
        _lines(
            "Value, and what the days before let expect",
            (_series("daily_metric_value", **chosen), "value"),
            (_series("daily_metric_expected", **chosen), "expected"),
            (_series("daily_metric_lower_bound", **chosen), "lower bound"),
            (_series("daily_metric_upper_bound", **chosen), "upper bound"),
            span=_HALF,
        )
        .height(10)
        .override_by_name("expected", [_option("custom.lineStyle", {"fill": "dash"})])
        .override_by_name("lower bound", [_option("custom.lineWidth", 0)])
        .override_by_name(
            "upper bound",
            [
                _option("custom.lineWidth", 0),
                _option("custom.fillBelowTo", "lower bound"),
                _option("custom.fillOpacity", 15),
            ],
        ),
        _states(
            "Anomalies of all metrics",
            f"sum by (metric, subject) ({_series('daily_metric_anomaly')})",
            "{{metric}} of {{subject}}",
        ),
    )


def _api() -> _Panels:
    return (
        _bars(
            "Answers of 24 hours, by status",
            (f"sum by (code) (increase({_series('http_responses_total')}[1d]))", "{{code}}"),
        ),
        _bars(
            "Retries of 24 hours, by cause",
            (f"sum by (cause) (increase({_series('http_retries_total')}[1d]))", "{{cause}}"),
        ),
        _lines(
            "Time to an answer",
            (_series("http_latency_seconds"), "{{endpoint}} {{statistic}}"),
            unit="s",
        ),
    )


def _quality() -> _Panels:
    return (
        _lines(
            "In quarantine, by reason", (_series("open_rejected_records"), "{{table}}: {{reason}}")
        ),
        _lines("Nulls", (_series("null_values"), "{{table}}.{{column}}")),
        _lines("Users and tracks without a record", (_series("inferred_members"), "{{table}}")),
        _lines("Distinct keys", (_series("distinct_keys"), "{{table}}")),
        _lines("Duplicates dropped", (_series("duplicate_records"), "{{table}}")),
        _lines(
            "Delay",
            (_series("ingestion_latency_seconds"), "of the crawl"),
            (_series("transform_delay_seconds"), "of the build"),
            unit="s",
        ),
    )


def _recommendations() -> _Panels:
    return (
        _number("Champion", _series("champion_info"), legend="{{version}}")
        .text_mode(BigValueTextMode.NAME)
        .height(8),
        _number(
            "Last decision",
            f"topk(1, {_series('model_decision_timestamp_seconds')})",
            legend="{{decision}}",
        )
        .text_mode(BigValueTextMode.NAME)
        .height(8)
        .override_by_regexp("/fell_back/", [_fixed_color("red")])
        .override_by_regexp("/rolled_back/", [_fixed_color("orange")]),
        _lines(
            "Lift over popularity, of the last day that is known",
            (_series("recommendation_lift_ratio"), "{{source}} lift"),
            (_series("recommendation_lift_lower_bound"), "{{source}} lower bound"),
            (_series("recommendation_lift_upper_bound"), "{{source}} upper bound"),
            (_series("recommendation_conversion_ratio"), "{{source}} conversion"),
            unit="percentunit",
            floor=None,
            span=_EIGHTH * 3,
        ),
        _lines(
            "Users with a list",
            (_series("recommended_users"), "{{source}}"),
            (_series("short_recommendation_lists"), "{{source}} short"),
            span=_EIGHTH * 3,
        ),
        _lines(
            "Age of the lists",
            (f"time() - {_series('recommendations_timestamp_seconds')}", "{{source}} lists"),
            (
                f"time() - {_series('recommendations_boundary_timestamp_seconds')}",
                "{{source}} listens",
            ),
            unit="s",
        ),
    )


def _build() -> _Panels:
    return (
        _lines(
            "Not as it should be",
            (_series("last_build_nodes", outcome="!succeeded"), "{{resource_type}} {{outcome}}"),
        ),
        _lines(
            "Succeeded",
            (_series("last_build_nodes", outcome="succeeded"), "{{resource_type}}"),
        ),
        _lines(
            "Time of all nodes",
            (_series("last_build_execution_seconds"), "{{resource_type}}"),
            unit="s",
        ),
    )


def _scrapes() -> _Panels:
    return (
        _lines("Duration", (_series("scrape_duration_seconds"), "all"), unit="s", span=_HALF),
        _states(
            "Parts that can be read",
            _series("scrape_part_success"),
            "{{part}}",
            colors=("red", "green"),
        ),
    )


def _series(name: str, **labels: str) -> str:
    """The series of a metric, of the chosen warehouse; `!` before a value excludes it."""
    matchers = [
        f'{label}!="{value[1:]}"' if value.startswith("!") else f'{label}="{value}"'
        for label, value in {"instance": "$instance", **labels}.items()
    ]
    return f"{PREFIX}{name}{{{','.join(matchers)}}}"


def _variable(name: str, series: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .query(f"label_values({series}, {name})")
        .datasource(_DATASOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def _query(expression: str, legend: str, ref_id: str = "A") -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(ref_id)


def _number(
    title: str,
    expression: str,
    *,
    unit: str = "short",
    limit: Threshold | None = None,
    legend: str = "",
) -> stat.Panel:
    return (
        stat.Panel()
        .title(title)
        .datasource(_DATASOURCE)
        .with_target(_query(expression, legend).instant())
        .unit(unit)
        .decimals(0)
        .thresholds(_thresholds("green", limit))
        .reduce_options(_LAST_VALUE)
        .color_mode(BigValueColorMode.BACKGROUND)
        .graph_mode(BigValueGraphMode.NONE)
        .span(_EIGHTH)
        .height(4)
    )


def _lines(
    title: str,
    *queries: tuple[str, str],
    unit: str = "short",
    floor: float | None = 0,
    span: int = _THIRD,
) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(title)
        .datasource(_DATASOURCE)
        .unit(unit)
        .fill_opacity(5)
        .show_points(VisibilityMode.NEVER)
        .tooltip(
            common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        )
        .span(span)
        .height(8)
    )
    if floor is not None:
        panel.min(floor)
    for ref_id, (expression, legend) in zip("ABCD", queries, strict=False):
        panel.with_target(_query(expression, legend, ref_id))
    return panel


def _bars(title: str, query: tuple[str, str]) -> timeseries.Panel:
    return (
        _lines(title, query)
        .decimals(0)
        .fill_opacity(60)
        .line_width(0)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    )


def _states(
    title: str, expression: str, legend: str, *, colors: tuple[str, str] = ("green", "red")
) -> statetimeline.Panel:
    """What is 0 and what is more, each in its color."""
    return (
        statetimeline.Panel()
        .title(title)
        .datasource(_DATASOURCE)
        .with_target(_query(expression, legend))
        .thresholds(_thresholds(colors[0], Threshold(1, colors[1])))
        .span(_HALF)
        .height(10)
    )


def _ranking(title: str, expression: str, legend: str) -> bargauge.Panel:
    return (
        bargauge.Panel()
        .title(title)
        .datasource(_DATASOURCE)
        .with_target(_query(f"sort_desc({expression})", legend).instant())
        .thresholds(_thresholds("green", Threshold(1, "red")))
        .min(0)
        .decimals(0)
        .reduce_options(_LAST_VALUE)
        .orientation(VizOrientation.HORIZONTAL)
        .span(_HALF)
        .height(10)
    )


def _thresholds(color: str, limit: Threshold | None) -> dashboard.ThresholdsConfig:
    steps = [Threshold(None, color), *([limit] if limit else [])]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _option(name: str, value: object) -> DynamicConfigValue:
    return DynamicConfigValue(name, value)


def _fixed_color(color: str) -> DynamicConfigValue:
    return _option("color", {"mode": "fixed", "fixedColor": color})


if __name__ == "__main__":
    main()
