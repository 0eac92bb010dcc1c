{#- Where sources meet: an entity's records of all sources, in one shape. A source that is
    to be in the star schema is one more model here for each entity.

    Args: entity; columns, those that the union has. -#}
{% macro union_of_sources(entity, columns) -%}
    {%- set models = {
        'users': ['stg_moovitamix__users', 'int_spotify_users', 'int_events_users'],
        'tracks': ['stg_moovitamix__tracks', 'int_spotify_tracks', 'int_events_tracks'],
        'listen_history': ['stg_moovitamix__listen_history', 'int_spotify_listen_history', 'int_events_listen_history'],
    }[entity] -%}
    {%- for model_name in models %}
    select
        {%- for column in columns %}
        {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref(model_name) }}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
{%- endmacro %}
