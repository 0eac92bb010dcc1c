{#- Judges each day of each metric by the days before it: a query with a row per metric,
    subject and day.

    `metrics` has one value (not negative, below 10^15) per metric_name, subject and
    measured_date; `thresholds` has one row per metric_name, see the seed
    metric_thresholds. Both are names of relations or CTEs.

    Everything is reckoned on log(1 + value), so that a half and a double are equally
    far away, and that 0 has a place. A value's own day and what comes after it are
    never part of what it is compared with.

    From `weekly_days` of history on ("weekday-adjusted robust"):
        level = median of the last `weekly_days`
        effect = value - level
        expected = level + median effect of the same weekday in the last `lookback_days`
        scale = 1.4826 * median of |value - expected| in the last `lookback_days`
    Level and expectation of each of these days are what was known before it: the scale
    is that of real forecasts, not of a fit to days that were known, and a steady trend
    is part of the effects. 1.4826 makes a median deviation comparable with a standard
    deviation.

    Before that ("leave-one-out"): expected is the mean, scale the standard deviation of
    a new value about it, and the change has to be larger.

    score = (value - expected) / scale, in logs. The scale is at least `smallest_scale`
    (2 %), as a series without noise has none. The bounds are where the score reaches its
    threshold, moved out to the smallest change that matters: a value is an anomaly when
    it is beyond them, in a direction that matters. -#}
{% macro anomaly_scores(
    metrics, thresholds, lookback_days=60, weekly_days=28, smallest_scale=0.02
) -%}
{%- set series = 'partition by metric_name, subject' -%}
{%- set same_weekday = series ~ ', weekday_number' -%}
{#- a value is below 10^15: a bound beyond that says no more, and could overflow -#}
{%- set largest_log = 35 -%}
        with

        logs as (

            select
                metric_name,
                subject,
                measured_date,
                value,
                ln(1 + value) as log_value,
                {{ iso_day_of_week('measured_date') }} as weekday_number
            from {{ metrics }}

        ),

        histories as (

            select
                logs.*,
                array_agg(log_value) {{ over_days_before(series, weekly_days) }}
                    as recent_logs,
                count(*) {{ over_days_before(series, lookback_days) }} as history_days,
                avg(log_value) {{ over_days_before(series, lookback_days) }}
                    as mean_log,
                stddev_samp(log_value) {{ over_days_before(series, lookback_days) }}
                    as deviation_log
            from logs

        ),

        levels as (

            select
                histories.metric_name,
                histories.subject,
                histories.measured_date,
                histories.weekday_number,
                histories.value,
                histories.log_value,
                histories.history_days,
                histories.mean_log,
                histories.deviation_log,
                -- none where the series was silent for as long
                coalesce(recent.median, histories.mean_log) as level_log,
                -- less than a week is no level to compare a weekday with
                case
                    when histories.history_days >= 7
                        then histories.log_value - recent.median
                end as effect_log
            from histories
            {{ cross_join_median('histories.recent_logs', 'recent') }}

        ),

        effects as (

            select
                levels.*,
                array_agg(effect_log) {{ over_days_before(same_weekday, lookback_days) }}
                    as weekday_effects,
                count(effect_log) {{ over_days_before(same_weekday, lookback_days) }}
                    as weekday_days
            from levels

        ),

        forecasts as (

            select
                effects.metric_name,
                effects.subject,
                effects.measured_date,
                effects.value,
                effects.log_value,
                effects.weekday_days,
                effects.history_days,
                effects.mean_log,
                effects.deviation_log,
                effects.level_log + weekday.median as forecast_log,
                abs(effects.log_value - effects.level_log - weekday.median) as miss_log
            from effects
            {{ cross_join_median('effects.weekday_effects', 'weekday') }}

        ),

        reliabilities as (

            select
                forecasts.*,
                array_agg(miss_log) {{ over_days_before(series, lookback_days) }}
                    as misses
            from forecasts

        ),

        compared as (

            select
                reliabilities.metric_name,
                reliabilities.subject,
                reliabilities.measured_date,
                reliabilities.value,
                reliabilities.log_value,
                reliabilities.history_days,
                reliabilities.mean_log,
                reliabilities.deviation_log,
                reliabilities.forecast_log,
                usual_miss.median as usual_miss_log,
                thresholds.metric_label,
                thresholds.score_threshold,
                thresholds.minimum_absolute_change,
                thresholds.alert_direction,
                thresholds.minimum_days,
                thresholds.severity as anomaly_severity,
                case
                    when reliabilities.history_days < thresholds.minimum_days
                        then 'too little history'
                    -- a weekday seen twice has no effect yet
                    when
                        reliabilities.history_days < {{ weekly_days }}
                        or reliabilities.weekday_days < 3
                        then 'leave-one-out'
                    else 'weekday-adjusted robust'
                end as method,
                case
                    when
                        reliabilities.history_days < {{ weekly_days }}
                        or reliabilities.weekday_days < 3
                        then greatest(
                            thresholds.minimum_relative_change,
                            thresholds.short_history_relative_change
                        )
                    else thresholds.minimum_relative_change
                end as minimum_relative_change
            from reliabilities
            inner join {{ thresholds }} as thresholds
                on reliabilities.metric_name = thresholds.metric_name
            {{ cross_join_median('reliabilities.misses', 'usual_miss') }}

        ),

        expectations as (

            select
                compared.*,
                case method
                    when 'weekday-adjusted robust'
                        then greatest(0, forecast_log)
                    when 'leave-one-out' then mean_log
                end as expected_log,
                greatest(
                    {{ smallest_scale }},
                    case method
                        when 'weekday-adjusted robust'
                            then 1.4826 * usual_miss_log
                        when 'leave-one-out'
                            then deviation_log * sqrt(1 + 1.0 / history_days)
                    end
                ) as scale_log
            from compared

        ),

        -- rounded, so that exp(ln(1 + 0)) - 1 is 0 and equal days are equal
        rounded as (

            select
                expectations.*,
                {{ rounded('exp(expected_log) - 1') }} as expected,
                {{ rounded('(log_value - expected_log) / scale_log') }} as score,
                exp(greatest(expected_log - score_threshold * scale_log, 0)) - 1
                    as lowest_by_score,
                exp(least(
                    expected_log + score_threshold * scale_log, {{ largest_log }}
                )) - 1 as highest_by_score
            from expectations

        ),

        bounded as (

            select
                rounded.*,
                {{ rounded('(value - expected) / nullif(expected, 0)') }}
                    as change_ratio,
                {{ rounded("greatest(0, least(
                    lowest_by_score,
                    expected * (1 - minimum_relative_change),
                    expected - minimum_absolute_change
                ))") }} as lower_bound,
                {{ rounded("greatest(
                    highest_by_score,
                    expected * (1 + minimum_relative_change),
                    expected + minimum_absolute_change
                )") }} as upper_bound
            from rounded

        )

        select
            metric_name,
            subject,
            measured_date,
            metric_label,
            method,
            anomaly_severity,
            minimum_days,
            history_days,
            value,
            -- least and greatest pass over nulls
            case when expected is not null then expected end as expected,
            case when expected is not null then lower_bound end as lower_bound,
            case when expected is not null then upper_bound end as upper_bound,
            case when expected is not null then score end as score,
            case when expected is not null then change_ratio end as change_ratio,
            case
                when value < expected then 'below'
                when value > expected then 'above'
            end as direction,
            coalesce(
                expected is not null
                and (
                    (value < lower_bound and alert_direction in ('below', 'both'))
                    or (value > upper_bound and alert_direction in ('above', 'both'))
                ),
                false
            ) as is_anomaly
        from bounded
{%- endmacro %}

{#- The window of a row's series over the days before its own. -#}
{% macro over_days_before(series, days) -%}
over (
                    {{ series }} order by measured_date
                    range between interval '{{ days }}' day preceding
                    and interval '1' day preceding
                )
{%- endmacro %}
