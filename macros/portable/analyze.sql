{#- Tells the engine's planner about a table that is new: what reads it next does so
    before anything in the background has looked at it. -#}
{% macro analyze(relation) -%}
{{ return(adapter.dispatch('analyze', 'listenhouse')(relation)) }}
{%- endmacro %}

{#- Iceberg keeps what is known of its columns with each file. -#}
{% macro default__analyze(relation) -%}
{%- endmacro %}

{% macro postgres__analyze(relation) -%}
analyze {{ relation }}
{%- endmacro %}
