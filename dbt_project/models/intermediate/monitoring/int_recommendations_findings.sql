{{ config(materialized='ephemeral') }}

with

batches as (

    select * from {{ ref('stg_recommendations__batches') }}

),

promotions as (

    select * from {{ ref('stg_recommendations__promotions') }}

),

quality as (

    select * from {{ ref('int_quality_measured') }}

),

lifts as (

    select * from {{ ref('int_lift_measured') }}

),

thresholds as (

    select * from {{ ref('rule_thresholds') }}

),

-- the crawl that the marts are as of
crawl as (

    select max(boundary_at) as boundary_at
    from quality

),

ranked_batches as (

    select
        batches.*,
        row_number() over (
            partition by batches.source_name
            order by batches.for_date desc, batches.generated_at desc
        ) as recency
    from batches

),

aged as (

    select
        ranked_batches.*,
        crawl.boundary_at,
        {{ seconds_between('ranked_batches.data_cutoff_at', 'crawl.boundary_at') }}
            as behind_seconds
    from ranked_batches
    cross join crawl
    where ranked_batches.recency = 1

),

stale as (

    select
        'recommendations_stale' as rule_name,
        aged.source_name as subject,
        'the newest recommendations for ' || aged.source_name || ' know listens up to '
        || {{ minute_text('aged.data_cutoff_at') }} || ', '
        || {{ number_text('floor(aged.behind_seconds / 3600)') }}
        || ' h before the crawl of the marts; at most '
        || {{ number_text('thresholds.threshold') }} || ' h are expected' as message,
        aged.generated_at as found_at
    from aged
    inner join thresholds
        on
            thresholds.rule_name = 'recommendations_stale'
            and aged.behind_seconds > thresholds.threshold * 3600

),

-- who is champion is as it was after a refusal
ranked_promotions as (

    select
        promotions.*,
        row_number() over (order by promotions.decided_at desc) as recency
    from promotions
    where promotions.decision <> 'refused'

),

fallen_back as (

    select
        'model_fell_back' as rule_name,
        'champion' as subject,
        substr({{ collapse_whitespace('reason') }}, 1, 400) as message,
        decided_at as found_at
    from ranked_promotions
    where
        recency = 1
        and decision = 'fell_back'

),

negative as (

    select
        'lift_negative' as rule_name,
        lifts.source_name as subject,
        'recommendations for ' || lifts.source_name
        || ' are worse than popularity alone: of the lists of the last '
        || lifts.day_count || ' days '
        || {{ number_text('round(10000 * lifts.conversion_rate) / 100') }}
        || ' % was listened to, of those of popularity '
        || {{ number_text('round(10000 * lifts.shadow_conversion_rate) / 100') }}
        || ' %; the lift of ' || {{ number_text('lifts.user_count') }}
        || ' users is between '
        || {{ number_text('round(10000 * lifts.lift_lower) / 100') }} || ' and '
        || {{ number_text('round(10000 * lifts.lift_upper) / 100') }}
        || ' points' as message,
        cast(lifts.last_for_date as {{ dbt.type_timestamp() }}) as found_at
    from lifts
    inner join thresholds
        on
            thresholds.rule_name = 'lift_negative'
            and lifts.day_count >= thresholds.minimum_history
            and lifts.lift_upper < 0 - thresholds.threshold

),

judged as (

    select * from stale

    union all

    select * from fallen_back

    union all

    select * from negative

),

final as (

    select
        judged.*,
        cast(null as {{ type_key() }}) as run_id
    from judged

)

select * from final
