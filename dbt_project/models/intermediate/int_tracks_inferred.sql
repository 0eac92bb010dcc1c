with

listens as (

    select * from {{ ref('int_listens_unnested') }}

),

tracks as (

    select * from {{ ref('int_tracks_versioned') }}

),

named_in_listens as (

    select
        source_name,
        track_id,
        min(valid_from) as first_observed_at
    from listens
    group by
        source_name,
        track_id

),

inferred as (

    select
        -- keys
        {{ surrogate_key([
            'named_in_listens.source_name', 'named_in_listens.track_id', '1'
        ]) }} as track_key,

        -- ids
        named_in_listens.source_name,
        named_in_listens.track_id,

        -- timestamps
        named_in_listens.first_observed_at
    from named_in_listens
    left join tracks
        on
            named_in_listens.source_name = tracks.source_name
            and named_in_listens.track_id = tracks.track_id
            and tracks.version_number = 1
    where tracks.track_key is null

)

select * from inferred
