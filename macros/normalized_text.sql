{#- Text as it is compared: in one case and Unicode form, single spaces, none around it;
    blank is null. -#}
{% macro normalized_text(expression) -%}
nullif(trim({{ collapse_whitespace(folded_text(expression)) }}), '')
{%- endmacro %}

{#- Text as it is shown: single spaces, none around it; blank is null, and so is what
    nobody sees. -#}
{% macro tidy_text(expression) -%}
{%- set visible = '[^' ~ white_space() ~ invisible_characters() ~ ']' -%}
case
    when {{ matches_pattern(expression, visible) }}
        then trim({{ collapse_whitespace(expression) }})
end
{%- endmacro %}
