{{ config(materialized='ephemeral') }}

with

newest as (

    select * from {{ recorded('recommendations', 'batches') }}

),

superseded as (

    select * from {{ recorded('recommendations', 'superseded_batches') }}

),

source as (

    select
        source_name,
        for_date,
        model_version,
        user_count,
        list_length,
        short_list_count,
        data_cutoff,
        generated_at
    from newest

    union all

    select
        source_name,
        for_date,
        model_version,
        user_count,
        list_length,
        short_list_count,
        data_cutoff,
        generated_at
    from superseded

),

renamed as (

    select
        -- ids
        cast(source_name as {{ dbt.type_string() }}) as source_name,
        for_date,
        cast(model_version as {{ dbt.type_string() }}) as model_version,

        -- measures
        user_count,
        list_length,
        short_list_count,

        -- timestamps
        {{ to_utc('data_cutoff') }} as data_cutoff_at,
        {{ to_utc('generated_at') }} as generated_at
    from source
    {{ where_begun('generated_at') }}

)

select * from renamed
