with

listens as (

    select * from {{ ref('fct_listens') }}

),

users as (

    select * from {{ ref('dim_users') }}

),

tracks as (

    select * from {{ ref('dim_tracks') }}

),

counted as (

    select
        source_name,
        user_id,
        track_id,
        count(*) as listen_count,
        sum(case when is_in_current_record then 1 else 0 end) as current_listen_count,
        min(listened_at) as first_listened_at,
        max(listened_at) as last_listened_at
    from listens
    where user_id is not null
    group by
        source_name,
        user_id,
        track_id

),

keyed as (

    select
        users.user_key,
        tracks.track_key,
        counted.*
    from counted
    inner join users
        on
            counted.source_name = users.source_name
            and counted.user_id = users.user_id
            and users.is_current
    inner join tracks
        on
            counted.source_name = tracks.source_name
            and counted.track_id = tracks.track_id
            and tracks.is_current

),

final as (

    select
        -- keys
        cast(user_key as {{ type_key() }}) as user_key,
        cast(track_key as {{ type_key() }}) as track_key,

        -- ids
        cast(source_name as {{ dbt.type_string() }}) as source_name,
        cast(user_id as {{ dbt.type_string() }}) as user_id,
        cast(track_id as {{ dbt.type_string() }}) as track_id,

        -- measures
        cast(listen_count as {{ dbt.type_int() }}) as listen_count,
        cast(current_listen_count as {{ dbt.type_int() }}) as current_listen_count,

        -- timestamps
        cast(first_listened_at as {{ dbt.type_timestamp() }}) as first_listened_at,
        cast(last_listened_at as {{ dbt.type_timestamp() }}) as last_listened_at
    from keyed

)

select
    user_key,
    track_key,
    source_name,
    user_id,
    track_id,
    listen_count,
    current_listen_count,
    first_listened_at,
    last_listened_at
from final
