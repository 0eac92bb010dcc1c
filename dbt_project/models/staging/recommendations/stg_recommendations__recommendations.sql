{{ config(materialized='ephemeral') }}

with

newest as (

    select * from {{ recorded('recommendations', 'recommendations') }}

),

superseded as (

    select * from {{ recorded('recommendations', 'superseded_recommendations') }}

),

source as (

    select
        source_name,
        for_date,
        user_id,
        rank,
        track_id,
        model_version,
        source,
        score,
        generated_at
    from newest

    union all

    select
        source_name,
        for_date,
        user_id,
        rank,
        track_id,
        model_version,
        source,
        score,
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
        cast(model_version as {{ dbt.type_string() }}) as model_version,

        -- attributes
        cast(source as {{ dbt.type_string() }}) as list_source,

        -- measures
        cast(score as {{ dbt.type_float() }}) as score,

        -- timestamps
        {{ to_utc('generated_at') }} as generated_at
    from source
    {{ where_begun('generated_at') }}

)

select * from renamed
