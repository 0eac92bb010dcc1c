{#- A column of a landing table with personal data, in a query that calls the table `source`. -#}
{% macro landed_column(relation, column) -%}
{{ return(adapter.dispatch('landed_column', 'listenhouse')(relation, column)) }}
{%- endmacro %}

{#- What is not in the lake is not known. -#}
{% macro default__landed_column(relation, column) -%}
{{ 'source.' ~ column if not execute or is_in_lake(relation, column) else 'null' }}
{%- endmacro %}

{% macro postgres__landed_column(relation, column) -%}
source.{{ column }}
{%- endmacro %}

{#- Whether the lake has a column of a landing table: those with personal data it has where
    LISTENHOUSE_LAKE_PERSONAL says so. -#}
{% macro is_in_lake(relation, column) -%}
    {{ return(column in adapter.get_columns_in_relation(relation) | map(attribute='name')) }}
{%- endmacro %}
