{#- The type of a surrogate key: what surrogate_key gives. -#}
{% macro type_key() -%}
{{ return(adapter.dispatch('type_key', 'listenhouse')()) }}
{%- endmacro %}

{% macro default__type_key() -%}
{{ dbt.type_string() }}
{%- endmacro %}

{% macro postgres__type_key() -%}
uuid
{%- endmacro %}
