{{ config(
    materialized='incremental',
    unique_key='track_key',
    indexes=[
        {'columns': ['track_key'], 'unique': true},
        {'columns': ['track_id']},
    ],
) }}

with

versions as (

    select * from {{ ref('int_tracks_versioned') }}

),

inferred as (

    select * from {{ ref('int_tracks_inferred') }}
    where arrived_at is null

),

members as (

    select
        track_key,
        artist_key,
        album_key,
        source_name,
        track_id,
        version_number,
        track_name,
        artist_name,
        songwriter_names,
        album_title,
        duration_seconds,
        is_current,
        is_deleted,
        false as is_inferred,
        created_at,
        updated_at,
        first_observed_at,
        valid_from,
        valid_to,
        deleted_at
    from versions
    {% if is_incremental() -%}
    where {{ is_since_build(['first_observed_at', 'valid_to', 'deleted_at']) }}
    {%- endif %}

    union all

    select
        track_key,
        {{ unknown_key() }} as artist_key,
        {{ unknown_key() }} as album_key,
        source_name,
        track_id,
        1 as version_number,
        null as track_name,
        null as artist_name,
        null as songwriter_names,
        null as album_title,
        null as duration_seconds,
        true as is_current,
        false as is_deleted,
        true as is_inferred,
        null as created_at,
        null as updated_at,
        first_observed_at,
        {{ first_valid_from() }} as valid_from,
        null as valid_to,
        null as deleted_at
    from inferred
    {% if is_incremental() -%}
    where {{ is_since_build(['first_observed_at']) }}
    {%- endif %}

    union all

    -- the unknown member, for what names no track
    select
        {{ unknown_key() }} as track_key,
        {{ unknown_key() }} as artist_key,
        {{ unknown_key() }} as album_key,
        'unknown' as source_name,
        null as track_id,
        1 as version_number,
        null as track_name,
        null as artist_name,
        null as songwriter_names,
        null as album_title,
        null as duration_seconds,
        true as is_current,
        false as is_deleted,
        false as is_inferred,
        null as created_at,
        null as updated_at,
        null as first_observed_at,
        {{ first_valid_from() }} as valid_from,
        null as valid_to,
        null as deleted_at

),

final as (

    select
        -- keys
        track_key,
        artist_key,
        album_key,

        -- ids
        source_name,
        track_id,
        cast(version_number as {{ dbt.type_int() }}) as version_number,

        -- attributes
        track_name,
        artist_name,
        songwriter_names,
        album_title,

        -- measures
        duration_seconds,

        -- booleans
        is_current,
        is_deleted,
        is_inferred,

        -- timestamps
        created_at,
        updated_at,
        first_observed_at,
        valid_from,
        valid_to,
        deleted_at
    from members

)

select * from final
