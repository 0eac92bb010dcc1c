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
        cast(user_key as {{ type_key() }}) as user_key,

        -- ids
        cast(source_name as {{ dbt.type_string() }}) as source_name,
        cast(user_id as {{ dbt.type_string() }}) as user_id,
        cast(version_number as {{ dbt.type_int() }}) as version_number,

        -- attributes
        cast(gender_group as {{ dbt.type_string() }}) as gender_group,

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
    user_key,
    source_name,
    user_id,
    version_number,
    gender_group,
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
