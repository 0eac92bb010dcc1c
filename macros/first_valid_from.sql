{#- Version 1 of a dimension member holds from here on, so that a listen from before
    the record was first seen finds its member. -#}
{% macro first_valid_from() -%}
cast('1900-01-01' as {{ dbt.type_timestamp() }})
{%- endmacro %}
