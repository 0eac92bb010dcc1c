{#- Text as it is compared: lower case, single spaces, none around it; blank is
    null. -#}
{% macro normalized_text(expression) -%}
nullif(lower(trim({{ collapse_whitespace(expression) }})), '')
{%- endmacro %}

{#- Text as it is shown: single spaces, none around it; blank is null. -#}
{% macro tidy_text(expression) -%}
nullif(trim({{ collapse_whitespace(expression) }}), '')
{%- endmacro %}
