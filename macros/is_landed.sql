{#- Whether a table of a source is there: one that comes as files may never have come. -#}
{% macro is_landed(relation) -%}
    {{ return(not execute or load_relation(relation) is not none) }}
{%- endmacro %}
