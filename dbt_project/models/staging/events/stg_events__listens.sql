{#- Without rows where nothing was ever consumed: a house need not have this source. -#}
{{ config(meta={'changed_at': ['landed_at']}) }}

with

crawls as (

    select * from {{ ref('base_crawls__committed') }}

),

{% if is_landed(source('events', 'listens'), []) -%}
source as (

    select * from {{ source('events', 'listens') }}

),

boundary as (

    select max(boundary_at) as boundary_at
    from crawls

),

renamed as (

    select
        -- ids
        cast(source.event_id as {{ dbt.type_string() }}) as event_id,
        cast(source.user_id as {{ dbt.type_string() }}) as user_id,
        cast(source.track_id as {{ dbt.type_string() }}) as track_id,
        'events' as source_name,

        -- measures
        source.seconds_played,

        -- timestamps
        {{ to_utc('source.played_at') }} as played_at,
        {{ to_utc('source.landed_at') }} as landed_at
    from source
    cross join boundary
    where {{ to_utc('source.landed_at') }} <= boundary.boundary_at

)
{%- else -%}
renamed as (

    select
        cast(null as {{ dbt.type_string() }}) as event_id,
        cast(null as {{ dbt.type_string() }}) as user_id,
        cast(null as {{ dbt.type_string() }}) as track_id,
        'events' as source_name,
        cast(null as {{ dbt.type_float() }}) as seconds_played,
        boundary_at as played_at,
        boundary_at as landed_at
    from crawls
    where false

)
{%- endif %}

select * from renamed
