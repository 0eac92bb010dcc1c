{{ config(materialized='ephemeral') }}

with

newest as (

    select * from {{ recorded('recommendations', 'popularity_shadow') }}

),

batches as (

    select * from {{ recorded('recommendations', 'batches') }}

),

superseded as (

    select * from {{ recorded('recommendations', 'superseded_popularity_shadow') }}

),

source as (

    select
        newest.source_name,
        newest.for_date,
        newest.user_id,
        newest.rank,
        newest.track_id,
        newest.data_cutoff,
        batches.generated_at
    from newest
    inner join batches
        on
            newest.source_name = batches.source_name
            and newest.for_date = batches.for_date

    union all

    select
        source_name,
        for_date,
        user_id,
        rank,
        track_id,
        data_cutoff,
        generated_at
    from superseded

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
        {{ to_utc('data_cutoff') }} as data_cutoff_at,
        {{ to_utc('generated_at') }} as generated_at
    from source
    {{ where_begun('generated_at') }}

)

select * from renamed
