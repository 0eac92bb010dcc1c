{{ config(materialized='incremental', unique_key='user_key') }}

with

versions as (

    select * from {{ ref('int_users_versioned') }}

),

{{ normalized_genres('user', 'favorite_genres') }}

select * from grouped
