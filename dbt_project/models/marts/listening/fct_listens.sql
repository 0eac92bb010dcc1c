{#- The hook takes out what is built from changes at a time that landing no longer
    knows: a withdrawn crawl's, or one after `as_of`. (Or all of its records changed
    since: they are rebuilt anyway.) Such a record may have no rows now that would
    replace its old ones. No boundary is ever used twice, so the time is enough. -#}
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='history_key',
    on_schema_change='fail',
    pre_hook="""
        {% if is_incremental() %}
        delete from {{ this }}
        where record_changed_at not in (
            select changed_at from {{ ref('int_listen_history_versioned') }}
        )
        {% endif %}
    """,
    indexes=[
        {'columns': ['history_key']},
        {'columns': ['listened_at'], 'type': 'brin'},
    ],
) }}

with

listen_history as (

    select * from {{ ref('int_listen_history_versioned') }}

),

listens as (

    select * from {{ ref('int_listens_unnested') }}

),

users as (

    select * from {{ ref('dim_users') }}

),

tracks as (

    select * from {{ ref('dim_tracks') }}

),

changes as (

    select
        history_key,
        max(changed_at) as record_changed_at
    from listen_history
    group by history_key

),

{% if is_incremental() -%}
built as (

    select
        history_key,
        record_changed_at
    from {{ this }}

),

-- not built from their latest change; no watermark, as a record whose last change is
-- withdrawn goes back to an older one
affected_records as (

    select changes.*
    from changes
    left join built
        on
            changes.history_key = built.history_key
            and changes.record_changed_at = built.record_changed_at
    where built.history_key is null

),
{%- else -%}
affected_records as (

    select * from changes

),
{%- endif %}

-- every sighting of a listen: a record's versions repeat those that stay in it
sightings as (

    select
        listens.*,
        affected_records.record_changed_at,
        row_number() over (
            partition by listens.history_key, listens.track_id, listens.occurrence
            order by listens.valid_from
        ) as sighting_number,
        lead(listens.valid_from) over (
            partition by listens.history_key, listens.track_id, listens.occurrence
            order by listens.valid_from
        ) is null as is_last_sighting
    from listens
    inner join affected_records
        on listens.history_key = affected_records.history_key

),

observed as (

    select
        history_key,
        track_id,
        occurrence,
        source_name,
        user_id,
        history_created_at,
        record_changed_at,
        max(case when sighting_number = 1 then listened_at_source end)
            as listened_at_source,
        max(case when sighting_number = 1 then listened_at end) as listened_at,
        min(valid_from) as first_observed_at,
        max(case when is_last_sighting then position end) as position,
        count(*) > count(valid_to) as is_in_current_record
    from sightings
    group by
        history_key,
        track_id,
        occurrence,
        source_name,
        user_id,
        history_created_at,
        record_changed_at

),

-- the member versions that held when the listen happened
keyed as (

    select
        {{ surrogate_key([
            'observed.source_name',
            'observed.user_id',
            timestamp_text('observed.history_created_at'),
            'observed.track_id',
            'observed.occurrence',
        ]) }} as listen_key,
        case
            when observed.user_id is null then {{ unknown_key() }}
            else users.user_key
        end as user_key,
        tracks.track_key,
        cast(observed.listened_at as date) as listened_date,
        observed.*
    from observed
    left join users
        on
            observed.source_name = users.source_name
            and observed.user_id = users.user_id
            and observed.listened_at >= users.valid_from
            and (users.valid_to is null or observed.listened_at < users.valid_to)
    left join tracks
        on
            observed.source_name = tracks.source_name
            and observed.track_id = tracks.track_id
            and observed.listened_at >= tracks.valid_from
            and (tracks.valid_to is null or observed.listened_at < tracks.valid_to)

),

final as (

    select
        -- keys
        cast(listen_key as {{ type_key() }}) as listen_key,
        cast(history_key as {{ type_key() }}) as history_key,
        cast(user_key as {{ type_key() }}) as user_key,
        cast(track_key as {{ type_key() }}) as track_key,

        -- ids
        cast(source_name as {{ dbt.type_string() }}) as source_name,
        cast(user_id as {{ dbt.type_string() }}) as user_id,
        cast(track_id as {{ dbt.type_string() }}) as track_id,

        -- attributes
        cast(listened_date as date) as listened_date,
        cast(listened_at_source as {{ dbt.type_string() }}) as listened_at_source,

        -- measures
        cast(occurrence as {{ dbt.type_int() }}) as occurrence,
        cast(position as {{ dbt.type_int() }}) as position,

        -- booleans
        cast(is_in_current_record as {{ dbt.type_boolean() }}) as is_in_current_record,

        -- timestamps
        cast(listened_at as {{ dbt.type_timestamp() }}) as listened_at,
        cast(history_created_at as {{ dbt.type_timestamp() }}) as history_created_at,
        cast(first_observed_at as {{ dbt.type_timestamp() }}) as first_observed_at,
        cast(record_changed_at as {{ dbt.type_timestamp() }}) as record_changed_at
    from keyed

)

select
    listen_key,
    history_key,
    user_key,
    track_key,
    source_name,
    user_id,
    track_id,
    listened_date,
    listened_at_source,
    occurrence,
    position,
    is_in_current_record,
    listened_at,
    history_created_at,
    first_observed_at,
    record_changed_at
from final
order by listened_at
