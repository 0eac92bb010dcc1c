{#- Every listen points to the user and the track that it names, in the version that
    held at `listened_at`, and was not heard after it was seen. Finds facts whose
    dimensions have moved on without them: `dbt build --full-refresh --select
    fct_listens+` heals them. -#}

with

listens as (

    select * from {{ ref('fct_listens') }}
    {{ only_audited('where', ['history_key'], [ref('fct_listens')]) }}

),

users as (

    select * from {{ ref('dim_users') }}

),

tracks as (

    select * from {{ ref('dim_tracks') }}

)

select
    listens.listen_key,
    listens.user_id,
    listens.track_id,
    listens.listened_at
from listens
left join users
    on listens.user_key = users.user_key
left join tracks
    on listens.track_key = tracks.track_key
where
    users.user_key is null
    or tracks.track_key is null
    or coalesce(users.user_id, '') <> coalesce(listens.user_id, '')
    or tracks.track_id <> listens.track_id
    or listens.listened_at < users.valid_from
    or listens.listened_at >= users.valid_to
    or listens.listened_at < tracks.valid_from
    or listens.listened_at >= tracks.valid_to
    or listens.listened_at > listens.first_observed_at
