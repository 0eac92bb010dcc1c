{#- A table: three models read it, and each would sort all of landing. Refilled in
    place: replacing it would drop those views, and all that reads them, which a build
    of this model alone does not bring back. -#}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='sync_all_columns',
    pre_hook='{% if is_incremental() %}delete from {{ this }}{% endif %}',
) }}

with

streams as (

    select * from {{ ref('stg_spotify__streams') }}

),

-- an export that is asked for again can tell more of an event: it is the same play
sighted as (

    select
        streams.*,
        row_number() over (
            partition by
                streams.source_name, streams.user_id, streams.track_id, streams.ended_at
            order by streams.landed_at asc, streams.played_ms desc, streams.row_hash asc
        ) as sighting_number
    from streams
    where
        streams.track_id is not null
        -- what Spotify counts as a stream
        and streams.played_ms >= 30000

),

plays as (

    select
        -- ids
        source_name,
        user_id,
        track_id,

        -- attributes
        track_name,
        artist_name,
        album_title,

        -- timestamps
        ended_at,
        landed_at as first_landed_at
    from sighted
    where sighting_number = 1

)

select * from plays
