{#- Judges each day of each metric by the days before it: a query with a row per metric,
    subject and day.

    `metrics` has one value (not negative, below 10^15) per metric_name, subject and
    measured_date, and in covered_hours what time it is the sum of, null where of none;
    `thresholds` has one row per metric_name, see the seed metric_thresholds. Both are
    names of relations or CTEs.

    A day that covers less than 0.75 of the median of the `lookback_days` before, or more
    than 1.5 of it, is "not a whole day": it is not judged, nor is any day judged by it.

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

    Before that ("leave-one-out"): expected is the median of the last `lookback_days`,
    scale 1.4826 * median of |value - expected| in them, and the change has to be larger.
    (Mean and standard deviation would take the first day of a drop for noise, and let
    the second pass.)

    score = (value - expected) / scale, in logs. The scale is at least `smallest_scale`
    (2 %), as a series without noise has none, before four weeks `smallest_short_scale`
    (5 %), as few days are close by chance. The bounds are where the score reaches its
    threshold, moved out to the smallest change that matters: a value is an anomaly when
    it is beyond them, in a direction that matters. -#}
{% macro anomaly_scores(
    metrics,
    thresholds,
    lookback_days=60,
    weekly_days=28,
    smallest_scale=0.02,
    smallest_short_scale=0.05
) -%}
{%- set series = 'partition by metric_name, subject' -%}
{%- set same_weekday = series ~ ', weekday_number' -%}
{#- a value is below 10^15: a bound beyond that says no more, and could overflow -#}
{%- set largest_log = 35 -%}
        with

        covers as (

            select
                metric_name,
                subject,
                measured_date,
                value,
                covered_hours,
                ln(1 + value) as log_value,
                {{ iso_day_of_week('measured_date') }} as weekday_number,
                array_agg(covered_hours) {{ over_days_before(series, lookback_days) }}
                    as earlier_hours
            from {{ metrics }}

        ),

        -- a day that is not a whole one has no log that others are compared with
        logs as (

            select
                covers.metric_name,
                covers.subject,
                covers.measured_date,
                covers.value,
                covers.covered_hours,
                covers.log_value,
                covers.weekday_number,
                usual.median as usual_hours,
                case
                    when
                        covers.covered_hours < 0.75 * usual.median
                        or covers.covered_hours > 1.5 * usual.median
                        then null
                    else covers.log_value
                end as whole_log
            from covers
            {{ cross_join_median('covers.earlier_hours', 'usual') }}

        ),

        histories as (

            select
                logs.*,
                array_agg(whole_log) {{ over_days_before(series, weekly_days) }}
                    as recent_logs,
                array_agg(whole_log) {{ over_days_before(series, lookback_days) }}
                    as known_logs,
                count(whole_log) {{ over_days_before(series, lookback_days) }}
                    as history_days
            from logs

        ),

        levels as (

            select
                histories.metric_name,
                histories.subject,
                histories.measured_date,
                histories.weekday_number,
                histories.value,
                histories.covered_hours,
                histories.usual_hours,
                histories.log_value,
                histories.whole_log,
                histories.history_days,
                known.median as known_log,
                known.deviation as known_deviation_log,
                -- none where the series was silent for as long
                coalesce(recent.median, known.median) as level_log,
                -- less than a week is no level to compare a weekday with
                case
                    when histories.history_days >= 7
                        then histories.whole_log - recent.median
                end as effect_log
            from histories
            {{ cross_join_median('histories.recent_logs', 'recent') }}
            {{ cross_join_median_and_deviation('histories.known_logs', 'known') }}

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
                effects.covered_hours,
                effects.usual_hours,
                effects.log_value,
                effects.whole_log,
                effects.weekday_days,
                effects.history_days,
                effects.known_log,
                effects.known_deviation_log,
                effects.level_log + weekday.median as forecast_log,
                abs(effects.whole_log - effects.level_log - weekday.median) as miss_log
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
                reliabilities.covered_hours,
                reliabilities.usual_hours,
                reliabilities.log_value,
                reliabilities.history_days,
                reliabilities.known_log,
                reliabilities.known_deviation_log,
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
                    when reliabilities.whole_log is null then 'not a whole day'
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
                    when 'leave-one-out' then known_log
                end as expected_log,
                case method
                    when 'weekday-adjusted robust'
                        then greatest({{ smallest_scale }}, 1.4826 * usual_miss_log)
                    else
                        greatest({{ smallest_short_scale }}, 1.4826 * known_deviation_log)
                end as scale_log
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
            covered_hours,
            usual_hours,
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
