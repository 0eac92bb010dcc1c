{{ config(
    materialized='incremental',
    unique_key='user_key',
    indexes=[
        {'columns': ['user_key'], 'unique': true},
        {'columns': ['user_id']},
    ],
) }}

with

versions as (

    select * from {{ ref('int_users_versioned') }}

),

inferred as (

    select * from {{ ref('int_users_inferred') }}
    where arrived_at is null

),

members as (

    select
        user_key,
        source_name,
        user_id,
        version_number,
        gender_group,
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
        user_key,
        source_name,
        user_id,
        1 as version_number,
        'unknown' as gender_group,
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

    -- the unknown member, for listens that name no user
    select
        {{ unknown_key() }} as user_key,
        'unknown' as source_name,
        null as user_id,
        1 as version_number,
        'unknown' as gender_group,
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
        user_key,

        -- ids
        source_name,
        user_id,
        cast(version_number as {{ dbt.type_int() }}) as version_number,

        -- attributes
        gender_group,

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
