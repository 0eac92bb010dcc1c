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
        cast(track_key as {{ type_key() }}) as track_key,
        cast(artist_key as {{ type_key() }}) as artist_key,
        cast(album_key as {{ type_key() }}) as album_key,

        -- ids
        cast(source_name as {{ dbt.type_string() }}) as source_name,
        cast(track_id as {{ dbt.type_string() }}) as track_id,
        cast(version_number as {{ dbt.type_int() }}) as version_number,

        -- attributes
        cast(track_name as {{ dbt.type_string() }}) as track_name,
        cast(artist_name as {{ dbt.type_string() }}) as artist_name,
        cast(songwriter_names as {{ dbt.type_string() }}) as songwriter_names,
        cast(album_title as {{ dbt.type_string() }}) as album_title,

        -- measures
        cast(duration_seconds as {{ dbt.type_int() }}) as duration_seconds,

        -- booleans
        cast(is_current as {{ dbt.type_boolean() }}) as is_current,
        cast(is_deleted as {{ dbt.type_boolean() }}) as is_deleted,
        cast(is_inferred as {{ dbt.type_boolean() }}) as is_inferred,

        -- timestamps
        cast(created_at as {{ dbt.type_timestamp() }}) as created_at,
        cast(updated_at as {{ dbt.type_timestamp() }}) as updated_at,
        cast(first_observed_at as {{ dbt.type_timestamp() }}) as first_observed_at,
        cast(valid_from as {{ dbt.type_timestamp() }}) as valid_from,
        cast(valid_to as {{ dbt.type_timestamp() }}) as valid_to,
        cast(deleted_at as {{ dbt.type_timestamp() }}) as deleted_at
    from members

)

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
    is_inferred,
    created_at,
    updated_at,
    first_observed_at,
    valid_from,
    valid_to,
    deleted_at
from final
