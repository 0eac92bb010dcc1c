{{ config(materialized='incremental', unique_key='track_key') }}

with

versions as (

    select * from {{ ref('int_tracks_versioned') }}

),

{{ normalized_genres('track', 'genres') }}

select * from grouped
