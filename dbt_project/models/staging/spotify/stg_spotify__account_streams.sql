{#- Without rows where nothing was ever imported: a house need not have this source. -#}
{{ config(meta={'changed_at': ['landed_at']}) }}

with

crawls as (

    select * from {{ ref('base_crawls__committed') }}

),

{% if is_landed(source('spotify', 'account_streams'), ['row_hash']) -%}
source as (

    select * from {{ source('spotify', 'account_streams') }}

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
        'spotify' as source_name,

        -- attributes
        cast(source.track_name as {{ dbt.type_string() }}) as track_name,
        cast(source.artist_name as {{ dbt.type_string() }}) as artist_name,

        -- measures
        cast(source.ms_played as {{ dbt.type_bigint() }}) as played_ms,

        -- timestamps
        {{ dbt.date_trunc('minute', 'source.end_time') }} as ended_at,
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
        'spotify' as source_name,
        cast(null as {{ dbt.type_string() }}) as track_name,
        cast(null as {{ dbt.type_string() }}) as artist_name,
        cast(null as {{ dbt.type_bigint() }}) as played_ms,
        boundary_at as ended_at,
        boundary_at as landed_at
    from crawls
    where false

)
{%- endif %}

select * from renamed
