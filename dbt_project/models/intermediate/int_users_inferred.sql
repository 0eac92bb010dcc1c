{{ config(materialized='incremental', unique_key='user_key') }}

with

named_in_listens as (

    select * from {{ ref('int_listen_history_versioned') }}
    where user_id is not null

),

{{ inferred_members('user', ref('int_users_versioned')) }}

select * from inferred
