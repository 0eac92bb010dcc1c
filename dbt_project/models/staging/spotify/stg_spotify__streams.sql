{#- Without rows where nothing was ever imported: a house need not have this source. -#}
{{ config(meta={'changed_at': ['landed_at']}) }}

with

crawls as (

    select * from {{ ref('base_crawls__committed') }}

),

{% if is_landed(source('spotify', 'streams'), ['row_hash', 'details']) -%}
source as (

    select * from {{ source('spotify', 'streams') }}

),

boundary as (

    select max(boundary_at) as boundary_at
    from crawls

),

renamed as (

    select
        -- ids
        cast(source.row_hash as {{ dbt.type_string() }}) as row_hash,
        cast(source.user_id as {{ dbt.type_string() }}) as user_id,
        cast(source.spotify_track_uri as {{ dbt.type_string() }}) as track_id,
        'spotify' as source_name,

        -- attributes
        cast(source.master_metadata_track_name as {{ dbt.type_string() }})
            as track_name,
        cast(source.master_metadata_album_artist_name as {{ dbt.type_string() }})
            as artist_name,
        cast(source.master_metadata_album_album_name as {{ dbt.type_string() }})
            as album_title,

        -- measures
        cast(source.ms_played as {{ dbt.type_bigint() }}) as played_ms,

        -- booleans: a podcast has names, too, and a book may
        coalesce(
            {{ matches_pattern(
                'cast(source.details as ' ~ dbt.type_string() ~ ')',
                '"(episode_name|episode_show_name|spotify_episode_uri|audiobook_[a-z_]+)":"'
            ) }},
            false
        ) as is_episode,

        -- timestamps
        cast(source.ts as {{ dbt.type_timestamp() }}) as ended_at,
        {{ to_utc('source.landed_at') }} as landed_at
    from source
    cross join boundary
    where {{ to_utc('source.landed_at') }} <= boundary.boundary_at

)
{%- else -%}
renamed as (

    select
        cast(null as {{ dbt.type_string() }}) as row_hash,
        cast(null as {{ dbt.type_string() }}) as user_id,
        cast(null as {{ dbt.type_string() }}) as track_id,
        'spotify' as source_name,
        cast(null as {{ dbt.type_string() }}) as track_name,
        cast(null as {{ dbt.type_string() }}) as artist_name,
        cast(null as {{ dbt.type_string() }}) as album_title,
        cast(null as {{ dbt.type_bigint() }}) as played_ms,
        false as is_episode,
        boundary_at as ended_at,
        boundary_at as landed_at
    from crawls
    where false

)
{%- endif %}

select * from renamed
