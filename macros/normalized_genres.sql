{#- The genres of each version of a user or a track: one row per version and genre. The last
    common table expressions of a model that has `versions` before them.

    Args: member, 'user' or 'track'; genres, the column of `versions` with the text. -#}
{% macro normalized_genres(member, genres) -%}
{%- set key = member ~ '_key' -%}
genre_aliases as (

    select * from {{ ref('genre_aliases') }}

),

new_versions as (

    select * from versions
    {% if is_incremental() -%}
    where {{ is_since_build(['first_observed_at']) }}
    {%- endif %}

),

{{ split_genres('new_versions', key, genres) }}

-- a list may name a genre twice, or under two spellings
grouped as (

    select
        -- keys
        named.{{ key }},
        {{ surrogate_key(['named.source_name', 'named.genre_name']) }} as genre_key,

        -- ids
        named.source_name,
        named.{{ member }}_id,

        -- attributes
        named.genre_name,

        -- measures
        min(named.position) as position,

        -- booleans
        named.is_listed
    from named
    group by
        named.{{ key }},
        named.source_name,
        named.{{ member }}_id,
        named.genre_name,
        named.is_listed

)
{%- endmacro %}
