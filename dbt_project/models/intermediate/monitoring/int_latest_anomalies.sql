{{ config(materialized='incremental') }}

with

anomalies as (

    select * from {{ ref('rpt_anomalies') }}

),

ranked as (

    select
        anomalies.*,
        row_number() over (
            partition by anomalies.metric_name, anomalies.subject
            order by anomalies.measured_date desc
        ) as recency
    from anomalies
    -- the day is not over, or covers more than one: what the last one was, stands
    where anomalies.method <> 'not a whole day'

),

judged as (

    select
        metric_name,
        subject,
        measured_date,
        severity,
        reason,
        is_anomaly
    from ranked
    where recency = 1

)

select * from judged
