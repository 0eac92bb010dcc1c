{{ config(materialized='incremental', unique_key='track_key') }}

with

named_in_listens as (

    select * from {{ ref('int_listens_unnested') }}

),

{{ inferred_members('track', ref('int_tracks_versioned')) }}

select * from inferred
