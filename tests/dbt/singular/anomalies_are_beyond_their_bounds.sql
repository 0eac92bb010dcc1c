with

metrics as (

    select * from {{ ref('fct_daily_load_metrics') }}

),

anomalies as (

    select * from {{ ref('rpt_anomalies') }}

)

select
    metrics.metric_name,
    metrics.subject,
    metrics.measured_date
from metrics
left join anomalies
    on
        metrics.metric_name = anomalies.metric_name
        and metrics.subject = anomalies.subject
        and metrics.measured_date = anomalies.measured_date
where
    anomalies.value is null
    or anomalies.value <> metrics.value
    or (anomalies.method in ('too little history', 'not a whole day'))
    <> (anomalies.expected is null)
    or (anomalies.expected is null) <> (anomalies.score is null)
    or anomalies.lower_bound < 0
    or anomalies.lower_bound > anomalies.expected
    or anomalies.upper_bound < anomalies.expected
    or anomalies.is_anomaly <> (anomalies.severity is not null)
    or (
        anomalies.is_anomaly
        and anomalies.value between anomalies.lower_bound and anomalies.upper_bound
    )
    or (anomalies.is_anomaly and anomalies.expected is null)
