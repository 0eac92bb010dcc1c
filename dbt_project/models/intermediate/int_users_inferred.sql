{{ config(
    materialized='incremental',
    unique_key='user_key',
) }}

with

listen_history as (

    select * from {{ ref('int_listen_history_versioned') }}

),

users as (

    select * from {{ ref('int_users_versioned') }}

),

{% if is_incremental() -%}
-- their first observation stays
known as (

    select * from {{ this }}

),
{%- endif %}

named_in_listens as (

    select
        source_name,
        user_id,
        min(valid_from) as first_observed_at
    from listen_history
    {% if is_incremental() -%}
    where
        user_id is not null
        and {{ is_since_build(['valid_from']) }}
    {%- else -%}
    where user_id is not null
    {%- endif %}
    group by
        source_name,
        user_id

),

inferred as (

    select
        -- keys
        {{ surrogate_key([
            'named_in_listens.source_name', 'named_in_listens.user_id', '1'
        ]) }} as user_key,

        -- ids
        named_in_listens.source_name,
        named_in_listens.user_id,

        -- timestamps
        named_in_listens.first_observed_at,
        users.first_observed_at as arrived_at
    from named_in_listens
    left join users
        on
            named_in_listens.source_name = users.source_name
            and named_in_listens.user_id = users.user_id
            and users.version_number = 1
    {% if is_incremental() -%}
    left join known
        on
            named_in_listens.source_name = known.source_name
            and named_in_listens.user_id = known.user_id
    where
        (
            users.user_key is null
            or users.first_observed_at > named_in_listens.first_observed_at
        )
        and known.user_key is null

    union all

    select
        known.user_key,
        known.source_name,
        known.user_id,
        known.first_observed_at,
        users.first_observed_at as arrived_at
    from known
    inner join users
        on
            known.source_name = users.source_name
            and known.user_id = users.user_id
            and users.version_number = 1
    where
        known.arrived_at is null
        and {{ is_since_build(['users.first_observed_at']) }}
    {%- else -%}
    where
        users.user_key is null
        or users.first_observed_at > named_in_listens.first_observed_at
    {%- endif %}

)

select * from inferred
