with

listening as (

    select * from {{ ref('int_listeners_summarized') }}

),

users as (

    select * from {{ ref('dim_users') }}

),

user_genres as (

    select * from {{ ref('bridge_user_genres') }}

),

genres as (

    select * from {{ ref('dim_genres') }}

),

crawls as (

    select * from {{ ref('base_crawls__committed') }}

),

boundary as (

    select max(boundary_at) as boundary_at
    from crawls

),

favorites as (

    select
        user_genres.user_key,
        {{ names_in_order('genres.genre_name', 'user_genres.position') }}
            as favorite_genre_names,
        count(*) as favorite_genre_count
    from user_genres
    inner join genres
        on user_genres.genre_key = genres.genre_key
    where genres.genre_name is not null
    group by user_genres.user_key

),

described as (

    select
        users.user_key,
        listening.top_artist_key,
        users.source_name,
        users.user_id,
        users.gender_group,
        favorites.favorite_genre_names,
        coalesce(favorites.favorite_genre_count, 0) as favorite_genre_count,
        coalesce(listening.listen_count, 0) as listen_count,
        coalesce(listening.current_listen_count, 0) as current_listen_count,
        coalesce(listening.track_count, 0) as track_count,
        coalesce(listening.repeated_track_count, 0) as repeated_track_count,
        coalesce(listening.artist_count, 0) as artist_count,
        {{ days_between('listening.last_listened_at', 'boundary.boundary_at') }}
            as last_listened_days_ago,
        users.is_deleted,
        users.is_inferred,
        listening.first_listened_at,
        listening.last_listened_at,
        boundary.boundary_at as data_cutoff_at
    from users
    cross join boundary
    left join favorites
        on users.user_key = favorites.user_key
    left join listening
        on
            users.source_name = listening.source_name
            and users.user_id = listening.user_id
    where
        users.is_current
        and users.user_id is not null

),

final as (

    select
        -- keys
        user_key,
        top_artist_key,

        -- ids
        source_name,
        user_id,

        -- attributes
        gender_group,
        favorite_genre_names,

        -- measures
        cast(favorite_genre_count as {{ dbt.type_int() }}) as favorite_genre_count,
        cast(listen_count as {{ dbt.type_int() }}) as listen_count,
        cast(current_listen_count as {{ dbt.type_int() }}) as current_listen_count,
        cast(track_count as {{ dbt.type_int() }}) as track_count,
        cast(repeated_track_count as {{ dbt.type_int() }}) as repeated_track_count,
        cast(artist_count as {{ dbt.type_int() }}) as artist_count,
        last_listened_days_ago,

        -- booleans
        is_deleted,
        is_inferred,

        -- timestamps
        first_listened_at,
        last_listened_at,
        data_cutoff_at
    from described

)

select * from final
