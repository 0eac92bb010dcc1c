with

listen_history as (

    select * from {{ ref('int_listen_history_versioned') }}

),

users as (

    select * from {{ ref('int_users_versioned') }}

),

named_in_listens as (

    select
        source_name,
        user_id,
        min(valid_from) as first_observed_at
    from listen_history
    where user_id is not null
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
        named_in_listens.first_observed_at
    from named_in_listens
    left join users
        on
            named_in_listens.source_name = users.source_name
            and named_in_listens.user_id = users.user_id
            and users.version_number = 1
    where users.user_key is null

)

select * from inferred
