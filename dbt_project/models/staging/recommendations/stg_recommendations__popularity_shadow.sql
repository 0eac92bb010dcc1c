{{ config(materialized='ephemeral') }}

with

source as (

    select * from {{ recorded('recommendations', 'popularity_shadow') }}

),

renamed as (

    select
        -- ids
        cast(source_name as {{ dbt.type_string() }}) as source_name,
        for_date,
        cast(user_id as {{ dbt.type_string() }}) as user_id,
        cast(rank as {{ dbt.type_int() }}) as rank,
        cast(track_id as {{ dbt.type_string() }}) as track_id,

        -- timestamps
        {{ to_utc('data_cutoff') }} as data_cutoff_at
    from source
    {{ where_begun('data_cutoff') }}

)

select * from renamed
