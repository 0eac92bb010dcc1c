{#- An aggregate: the values of a group as a json array, in their own order. -#}
{% macro list_as_json(column) -%}
{{ return(adapter.dispatch('list_as_json', 'listenhouse')(column)) }}
{%- endmacro %}

{% macro default__list_as_json(column) -%}
to_json(sort_array(collect_list({{ column }})))
{%- endmacro %}

{% macro postgres__list_as_json(column) -%}
json_agg({{ column }} order by {{ column }})
{%- endmacro %}
