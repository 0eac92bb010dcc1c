{#- At the end of a CTE that leaves most rows out: has the engine do that before it goes on
    with the rows, where it would guess that there are few of them anyway. -#}
{% macro optimization_fence() -%}
{{ return(adapter.dispatch('optimization_fence', 'listenhouse')()) }}
{%- endmacro %}

{% macro default__optimization_fence() -%}
{%- endmacro %}

{% macro postgres__optimization_fence() -%}
offset 0
{%- endmacro %}
