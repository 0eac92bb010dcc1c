"""What /metrics exposes: queries, whose columns are labels and metrics.

In: nothing. Out: `PARTS`. What the tools recorded is read from `ops`, landing and
`recommendations`, and so is there before the first build and during each; what dbt judged is read
from `health` and `marts`, and which day counts as the last from where findings have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString

PREFIX = "listenhouse_"
"""What the names of all metrics begin with."""


@dataclass(frozen=True)
class Part:
    """One query of a scrape. When it fails, the others are exposed all the same.

    Attributes:
        name: What the metrics about the scrape call it.
        labels: Columns that become labels. Their values are few and stay few: names of steps,
            tables, endpoints, rules; never ids of runs. A null is no label.
        metrics: Columns that become metrics, with their help; counters end with `_total`. A
            null is no sample.
        query: The query, with these columns.
        common: What several queries begin with.
        only_with: A table that not every warehouse has. Without it there is nothing to expose,
            and nothing wrong.
    """

    name: str
    labels: tuple[str, ...]
    metrics: Mapping[str, str]
    query: LiteralString
    common: LiteralString = ""
    only_with: LiteralString = ""


_LAST_LOAD: LiteralString = """
    with

    last_load as (
        select loads.run_id
        from ops.loads
        inner join ops.runs on loads.run_id = runs.run_id
        order by runs.started_at desc
        limit 1
    )
"""

_LAST_BUILD: LiteralString = """
    with

    last_build as (
        select runs.run_id
        from ops.runs
        where exists (select from ops.dbt_results where dbt_results.run_id = runs.run_id)
        order by runs.started_at desc
        limit 1
    )
"""

_RUNS = (
    Part(
        name="runs",
        labels=("command", "status"),
        metrics={"runs_total": "Recorded runs that are over, by how they ended."},
        query="""
            select commands.command, statuses.status, count(runs.run_id) as runs_total
            from (select distinct command from ops.runs) as commands
            cross join
                unnest(array['succeeded', 'failed', 'interrupted', 'died']) as statuses (status)
            left join ops.runs
                on commands.command = runs.command and statuses.status = runs.status
            group by commands.command, statuses.status
        """,
    ),
    Part(
        name="last_runs",
        labels=("command",),
        metrics={
            "last_run_start_timestamp_seconds": "When the last run started.",
            "last_run_end_timestamp_seconds": "When the last run ended that is over, well or not.",
            "last_run_success_timestamp_seconds": "When the last run ended that succeeded.",
            "last_run_duration_seconds": "How long the last run took that is over.",
            "last_run_attempt": "Which attempt the last run is since a success, from 1.",
        },
        query="""
            select
                command,
                extract(epoch from max(started_at)) as last_run_start_timestamp_seconds,
                extract(epoch from max(ended_at)) as last_run_end_timestamp_seconds,
                extract(epoch from max(ended_at) filter (where status = 'succeeded'))
                    as last_run_success_timestamp_seconds,
                (
                    array_agg(extract(epoch from ended_at - started_at) order by ended_at desc)
                    filter (where ended_at is not null)
                )[1] as last_run_duration_seconds,
                (array_agg(attempt order by started_at desc))[1] as last_run_attempt
            from ops.runs
            group by command
        """,
    ),
    Part(
        name="last_run_status",
        labels=("command", "status"),
        metrics={"last_run_status": "1 for the status of the last run, 0 for the others."},
        query="""
            select
                last_runs.command,
                statuses.status,
                (last_runs.status = statuses.status)::int as last_run_status
            from (
                select distinct on (command) command, status
                from ops.runs
                order by command, started_at desc
            ) as last_runs
            cross join
                unnest(array['running', 'succeeded', 'failed', 'interrupted', 'died'])
                    as statuses (status)
        """,
    ),
    Part(
        name="steps",
        labels=("step",),
        metrics={
            "step_end_timestamp_seconds": "When the step last ended, well or not.",
            "step_duration_seconds": "Time that the step took when it last ran.",
            "step_cpu_seconds": "CPU time of the step when it last ran, child processes included.",
            "step_peak_memory_bytes": "Largest resident memory of the step when it last ran.",
            "step_read_bytes": "Bytes read from disk by the step when it last ran.",
            "step_written_bytes": "Bytes written to disk by the step when it last ran.",
        },
        query="""
            select distinct on (step)
                step,
                extract(epoch from ended_at) as step_end_timestamp_seconds,
                extract(epoch from ended_at - started_at) as step_duration_seconds,
                cpu_seconds as step_cpu_seconds,
                peak_memory_bytes as step_peak_memory_bytes,
                read_bytes as step_read_bytes,
                written_bytes as step_written_bytes
            from ops.steps
            where ended_at is not null
            order by step, ended_at desc
        """,
    ),
)

_LOADS = (
    Part(
        name="load_rows",
        labels=("table", "outcome"),
        metrics={
            "last_load_rows": (
                "What became of the rows in the last load; the sum is what the API reported."
            ),
        },
        common=_LAST_LOAD,
        query="""
            select
                loads.table_name as table,
                outcomes.outcome,
                outcomes.row_count as last_load_rows
            from ops.loads
            inner join last_load on loads.run_id = last_load.run_id
            cross join lateral (
                values
                ('landed', loads.landed),
                ('duplicate', loads.duplicates),
                ('rejected', loads.rejected),
                ('forgotten', loads.forgotten)
            ) as outcomes (outcome, row_count)
        """,
    ),
    Part(
        name="load_versions",
        labels=("table", "change"),
        metrics={
            "last_load_versions": (
                "Versions in landing that the last load opened, closed, or kept open because "
                "the record of today is rejected (carried)."
            ),
        },
        common=_LAST_LOAD,
        query="""
            select
                loads.table_name as table,
                changes.change,
                changes.version_count as last_load_versions
            from ops.loads
            inner join last_load on loads.run_id = last_load.run_id
            cross join lateral (
                values
                ('opened', loads.opened),
                ('closed', loads.closed),
                ('carried', loads.carried)
            ) as changes (change, version_count)
        """,
    ),
    Part(
        name="load_files",
        labels=("table",),
        metrics={"last_load_job_bytes": "Size of the files that the last load copied."},
        common=_LAST_LOAD,
        query="""
            select loads.table_name as table, loads.job_bytes as last_load_job_bytes
            from ops.loads
            inner join last_load on loads.run_id = last_load.run_id
        """,
    ),
    Part(
        name="landing",
        labels=(),
        metrics={"landed_boundary_timestamp_seconds": "As of when landing is."},
        query="""
            select extract(epoch from max(boundary_at)) as landed_boundary_timestamp_seconds
            from raw_moovitamix.crawls
        """,
    ),
)

_HTTP = (
    Part(
        name="http_requests",
        labels=("endpoint",),
        metrics={
            "http_requests_total": "Requests to the API in all recorded runs, retries included.",
            "http_received_bytes_total": "Bytes of what the API answered with.",
        },
        query="""
            select
                endpoint,
                sum(requests) as http_requests_total,
                sum(received_bytes) as http_received_bytes_total
            from ops.http_requests
            group by endpoint
        """,
    ),
    Part(
        name="http_responses",
        labels=("endpoint", "code"),
        metrics={"http_responses_total": "Answers of the API, by their HTTP status."},
        query="""
            select
                http_requests.endpoint,
                statuses.key as code,
                sum(statuses.value::bigint) as http_responses_total
            from ops.http_requests
            cross join jsonb_each_text(http_requests.statuses) as statuses
            group by http_requests.endpoint, statuses.key
        """,
    ),
    Part(
        name="http_retries",
        labels=("endpoint", "cause"),
        metrics={"http_retries_total": "Requests that were made again, by the cause."},
        query="""
            select
                http_requests.endpoint,
                retries.key as cause,
                sum(retries.value::bigint) as http_retries_total
            from ops.http_requests
            cross join jsonb_each_text(http_requests.retries) as retries
            group by http_requests.endpoint, retries.key
        """,
    ),
    Part(
        name="http_latencies",
        labels=("endpoint", "statistic"),
        metrics={
            "http_latency_seconds": (
                "Median, 95th percentile and longest time to an answer, in the last run."
            ),
        },
        query="""
            with

            last_requests as (
                select distinct on (http_requests.endpoint) http_requests.*
                from ops.http_requests
                inner join ops.runs on http_requests.run_id = runs.run_id
                order by http_requests.endpoint, runs.started_at desc
            )

            select
                last_requests.endpoint,
                statistics.statistic,
                statistics.seconds as http_latency_seconds
            from last_requests
            cross join lateral (
                values
                ('p50', last_requests.latency_p50_seconds),
                ('p95', last_requests.latency_p95_seconds),
                ('max', last_requests.latency_max_seconds)
            ) as statistics (statistic, seconds)
        """,
    ),
)

_BUILD = (
    Part(
        name="build_nodes",
        labels=("resource_type", "outcome"),
        metrics={"last_build_nodes": "Models, tests and seeds of the last dbt build, by outcome."},
        common=_LAST_BUILD,
        query="""
            select
                nodes.resource_type,
                outcomes.outcome,
                count(*) filter (where nodes.outcome = outcomes.outcome) as last_build_nodes
            from (
                select
                    dbt_results.resource_type,
                    case
                        when dbt_results.status in ('success', 'pass', 'no-op') then 'succeeded'
                        when dbt_results.status = 'warn' then 'warned'
                        when dbt_results.status = 'skipped' then 'skipped'
                        else 'failed'
                    end as outcome
                from ops.dbt_results
                inner join last_build on dbt_results.run_id = last_build.run_id
            ) as nodes
            cross join
                unnest(array['succeeded', 'warned', 'failed', 'skipped']) as outcomes (outcome)
            group by nodes.resource_type, outcomes.outcome
        """,
    ),
    Part(
        name="build_time",
        labels=("resource_type",),
        metrics={
            "last_build_execution_seconds": "Time of the nodes of the last dbt build, added up."
        },
        common=_LAST_BUILD,
        query="""
            select
                dbt_results.resource_type,
                sum(dbt_results.seconds) as last_build_execution_seconds
            from ops.dbt_results
            inner join last_build on dbt_results.run_id = last_build.run_id
            group by dbt_results.resource_type
        """,
    ),
    Part(
        name="marts",
        labels=(),
        metrics={"built_boundary_timestamp_seconds": "As of when people read marts.fct_listens."},
        query="""
            select extract(epoch from boundary_at) as built_boundary_timestamp_seconds
            from intermediate.published_builds
            where model_name = 'fct_listens'
        """,
    ),
)

_HEALTH = (
    Part(
        name="quality",
        labels=("table", "column", "reason"),
        metrics={
            "duplicate_records": "Identical duplicates that the last crawl dropped.",
            "distinct_keys": "Distinct keys that the last crawl landed.",
            "null_values": "Nulls in a column of what the last crawl landed.",
            "inferred_members": "Users and tracks that listens name, and that have no record.",
            "open_rejected_records": "Records in quarantine that the API still serves, by reason.",
            "ingestion_latency_seconds": "From the start of the last crawl to its commit.",
            "transform_delay_seconds": "From its load to the end of the build that shows it.",
        },
        # a reason can name fields that only the source knows: the most frequent are named
        query="""
            with

            ranked as (
                select
                    *,
                    row_number() over (
                        partition by table_name, measure order by value desc, detail
                    ) as place
                from health.rpt_latest_quality
                where value is not null
            )

            select
                case when table_name <> 'crawls' then table_name end as table,
                case when measure = 'nulls' then detail end as column,
                case
                    when measure = 'rejected' and place > 20 then 'other'
                    when measure = 'rejected' then detail
                end as reason,
                sum(value) filter (where measure = 'duplicates') as duplicate_records,
                sum(value) filter (where measure = 'distinct_keys') as distinct_keys,
                sum(value) filter (where measure = 'nulls') as null_values,
                sum(value) filter (where measure in ('orphan_users', 'orphan_tracks'))
                    as inferred_members,
                sum(value) filter (
                    -- the sum of the others, which tells of a table without any
                    where measure = 'rejected' or measure = 'open_rejections' and value = 0
                ) as open_rejected_records,
                sum(value) filter (where measure = 'ingestion_latency_seconds')
                    as ingestion_latency_seconds,
                sum(value) filter (where measure = 'transform_delay_seconds')
                    as transform_delay_seconds
            from ranked
            group by 1, 2, 3
        """,
    ),
    Part(
        name="daily_metrics",
        labels=("metric", "subject"),
        metrics={
            "daily_metric_timestamp_seconds": "Start of the last whole day with a value.",
            "daily_metric_value": "Value of that day.",
            "daily_metric_expected": "What the days before let expect of that day.",
            "daily_metric_lower_bound": "Values of that day below it are anomalies.",
            "daily_metric_upper_bound": "Values of that day above it are anomalies.",
        },
        query="""
            select
                metric_name as metric,
                subject,
                extract(epoch from measured_date) as daily_metric_timestamp_seconds,
                value as daily_metric_value,
                expected as daily_metric_expected,
                lower_bound as daily_metric_lower_bound,
                upper_bound as daily_metric_upper_bound
            from health.rpt_anomalies
            inner join health.int_latest_anomalies
                using (metric_name, subject, measured_date)
        """,
    ),
    Part(
        name="anomalies",
        labels=("metric", "subject", "severity"),
        metrics={
            "daily_metric_anomaly": "1 when the value of that day is an anomaly of this severity."
        },
        query="""
            select
                anomalies.metric_name as metric,
                anomalies.subject,
                severities.severity,
                coalesce(anomalies.severity = severities.severity, false)::int
                    as daily_metric_anomaly
            from health.int_latest_anomalies as anomalies
            cross join unnest(array['critical', 'warning']) as severities (severity)
        """,
    ),
    Part(
        name="findings",
        labels=("rule", "severity"),
        metrics={"findings": "What is wrong now, by the rule that found it."},
        query="""
            select
                rules.rule_name as rule,
                severities.severity,
                count(findings.finding_key) as findings
            from (select distinct rule_name from health.rule_thresholds) as rules
            cross join unnest(array['critical', 'warning']) as severities (severity)
            left join health.rpt_findings as findings
                on
                    rules.rule_name = findings.rule_name
                    and severities.severity = findings.severity
            group by rules.rule_name, severities.severity
        """,
    ),
)

_RECOMMENDATIONS = (
    Part(
        name="recommendations",
        labels=("source",),
        metrics={
            "recommendations_timestamp_seconds": "When the newest recommendations were made.",
            "recommendations_boundary_timestamp_seconds": "As of when they are.",
            "recommended_users": "Users with a list in them.",
            "short_recommendation_lists": "Lists in them that are shorter than they should be.",
        },
        only_with="recommendations.batches",
        query="""
            select distinct on (source_name)
                source_name as source,
                extract(epoch from generated_at) as recommendations_timestamp_seconds,
                extract(epoch from data_cutoff) as recommendations_boundary_timestamp_seconds,
                user_count as recommended_users,
                short_list_count as short_recommendation_lists
            from recommendations.batches
            order by source_name, for_date desc
        """,
    ),
    Part(
        name="recommendation_lift",
        labels=("source",),
        metrics={
            "recommendation_lift_timestamp_seconds": (
                "Start of the last day of recommendations whose outcome is known."
            ),
            "recommendation_conversion_ratio": (
                "Share of the lists of that day that users listened to."
            ),
            "recommendation_lift_ratio": (
                "By how much that is more than of the lists that popularity would have made."
            ),
            "recommendation_lift_lower_bound": "Lower end of the lift's 95 % interval.",
            "recommendation_lift_upper_bound": "Upper end of the lift's 95 % interval.",
        },
        only_with="recommendations.batches",
        query="""
            select distinct on (source_name)
                source_name as source,
                extract(epoch from for_date) as recommendation_lift_timestamp_seconds,
                conversion_rate as recommendation_conversion_ratio,
                lift as recommendation_lift_ratio,
                lift_lower as recommendation_lift_lower_bound,
                lift_upper as recommendation_lift_upper_bound
            from marts.rpt_recommendation_lift
            where is_window_complete
            order by source_name, for_date desc
        """,
    ),
    Part(
        name="champion",
        labels=("source", "version"),
        metrics={"champion_info": "1 for the version of the model that recommends."},
        only_with="recommendations.promotions",
        query="""
            select distinct on (trainings.source_name)
                trainings.source_name as source,
                coalesce(promotions.to_version, 'popularity') as version,
                1 as champion_info
            from recommendations.promotions
            left join recommendations.trainings
                on promotions.training_id = trainings.training_id
            where promotions.decision <> 'refused'
            order by trainings.source_name, promotions.decided_at desc
        """,
    ),
    Part(
        name="model_decisions",
        labels=("source", "decision"),
        metrics={
            "model_decision_timestamp_seconds": (
                "When it was last decided so about the model that recommends."
            )
        },
        only_with="recommendations.promotions",
        query="""
            select
                trainings.source_name as source,
                promotions.decision,
                extract(epoch from max(promotions.decided_at)) as model_decision_timestamp_seconds
            from recommendations.promotions
            left join recommendations.trainings
                on promotions.training_id = trainings.training_id
            group by trainings.source_name, promotions.decision
        """,
    ),
)

_FEED = (
    Part(
        name="feed",
        labels=("stream",),
        # behind landed_boundary_timestamp_seconds by as much as it is late
        metrics={"feed_published_timestamp_seconds": "As of when the change feed is."},
        only_with="ops.feed_cursors",
        query="""
            select stream, extract(epoch from published_at) as feed_published_timestamp_seconds
            from ops.feed_cursors
        """,
    ),
)

PARTS = (*_RUNS, *_LOADS, *_HTTP, *_BUILD, *_HEALTH, *_RECOMMENDATIONS, *_FEED)
"""All that is read in a scrape."""
