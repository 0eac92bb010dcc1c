{{ config(materialized='incremental', unique_key='user_key') }}

with

users as (

    {{ union_of_sources('users', [
        'source_name',
        'user_id',
        'gender',
        'favorite_genres',
        'created_at',
        'updated_at',
        'valid_from',
        'valid_to',
    ]) }}

),

gender_groups as (

    select * from {{ ref('gender_groups') }}

),

{% if is_incremental() -%}
changed_users as (

    select
        source_name,
        user_id
    from users
    where {{ is_since_build(['valid_from', 'valid_to']) }}
    group by
        source_name,
        user_id

),
{%- endif %}

numbered as (

    select
        users.*,
        {{ normalized_text('users.gender') }} as normalized_gender,
        row_number() over (
            partition by users.source_name, users.user_id
            order by users.valid_from
        ) as version_number,
        lead(users.valid_from) over (
            partition by users.source_name, users.user_id
            order by users.valid_from
        ) as next_valid_from
    from users
    {% if is_incremental() -%}
    inner join changed_users
        on
            users.source_name = changed_users.source_name
            and users.user_id = changed_users.user_id
    {%- endif %}

),

contiguous as (

    select
        -- keys
        {{ surrogate_key([
            'numbered.source_name', 'numbered.user_id', 'numbered.version_number'
        ]) }} as user_key,

        -- ids
        numbered.source_name,
        numbered.user_id,
        numbered.version_number,

        -- attributes
        case
            when numbered.normalized_gender is null then 'undisclosed'
            else coalesce(gender_groups.gender_group, 'other')
        end as gender_group,
        numbered.favorite_genres,

        -- booleans
        numbered.next_valid_from is null as is_current,
        numbered.next_valid_from is null
        and numbered.valid_to is not null as is_deleted,

        -- timestamps
        numbered.created_at,
        numbered.updated_at,
        numbered.valid_from as first_observed_at,
        case
            when numbered.version_number = 1 then {{ first_valid_from() }}
            else numbered.valid_from
        end as valid_from,
        numbered.next_valid_from as valid_to,
        case
            when numbered.next_valid_from is null then numbered.valid_to
        end as deleted_at
    from numbered
    left join gender_groups
        on numbered.normalized_gender = gender_groups.gender

)

select * from contiguous
