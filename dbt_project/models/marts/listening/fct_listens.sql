{{ config(
    materialized='incremental',
    unique_key='history_key',
    indexes=[
        {'columns': ['history_key']},
        {'columns': ['listened_at'], 'type': 'brin'},
        {'columns': ['listened_date'], 'type': 'brin'},
        {'columns': ['first_observed_at'], 'type': 'brin'},
        {'columns': ['record_changed_at'], 'type': 'brin'},
    ],
) }}

with

listen_history as (

    select * from {{ ref('int_listen_history_versioned') }}

),

users as (

    select * from {{ ref('dim_users') }}

),

tracks as (

    select * from {{ ref('dim_tracks') }}

),

{% if is_incremental() -%}
changed_records as (

    select history_key
    from listen_history
    where {{ is_since_build(['valid_from', 'valid_to']) }}
    group by history_key

),
{%- endif %}

affected_records as (

    select
        listen_history.history_key,
        max(listen_history.changed_at) as record_changed_at
    from listen_history
    {% if is_incremental() -%}
    inner join changed_records
        on listen_history.history_key = changed_records.history_key
    {%- endif %}
    group by listen_history.history_key

),

affected_versions as (

    select
        listen_history.*,
        affected_records.record_changed_at
    from listen_history
    inner join affected_records
        on listen_history.history_key = affected_records.history_key

),

-- Unnested here, not read from int_listens_unnested: PostgreSQL would unnest all that
-- landed before it joins the records that changed.
-- every sighting of a listen: a record's versions repeat those that stay in it
sightings as (

    select
        affected_versions.*,
        listen.element as track_id,
        listen.occurrence,
        listen.position,
        row_number() over (
            partition by
                affected_versions.history_key, listen.element, listen.occurrence
            order by affected_versions.valid_from
        ) as sighting_number,
        lead(affected_versions.valid_from) over (
            partition by
                affected_versions.history_key, listen.element, listen.occurrence
            order by affected_versions.valid_from
        ) is null as is_last_sighting
    from affected_versions
    {{ cross_join_json_array('affected_versions.track_ids', 'listen') }}

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
        listen_key,
        history_key,
        user_key,
        track_key,

        -- ids
        source_name,
        user_id,
        track_id,

        -- attributes
        cast(listened_date as date) as listened_date,
        listened_at_source,

        -- measures
        cast(occurrence as {{ dbt.type_int() }}) as occurrence,
        cast(position as {{ dbt.type_int() }}) as position,

        -- booleans
        is_in_current_record,

        -- timestamps
        listened_at,
        history_created_at,
        first_observed_at,
        record_changed_at
    from keyed

)

select * from final
order by listened_at
