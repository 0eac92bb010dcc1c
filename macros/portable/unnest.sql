{#- Join clauses that turn a list in a column into rows: put them after the table in
    `from`. A null or empty list gives no row. -#}

{#- One row per element of a json array: `element` (text), `position` (from 1) and
    `occurrence`, the occurrence of the element in the array. Numbering
    inside the join, not over the whole table, needs no sort and lets filters on the
    table through. -#}
{% macro cross_join_json_array(column, alias) -%}
{{ return(adapter.dispatch('cross_join_json_array', 'listenhouse')(column, alias)) }}
{%- endmacro %}

{% macro default__cross_join_json_array(column, alias) -%}
{%- set elements = "from_json(" ~ column ~ ", 'array<string>')" -%}
cross join lateral inline(
        transform(
            {{ elements }},
            (x, i) -> struct(
                x as element,
                i + 1 as position,
                size(filter(slice({{ elements }}, 1, i + 1), y -> y <=> x)) as occurrence
            )
        )
    ) as {{ alias }} (element, position, occurrence)
{%- endmacro %}

{% macro postgres__cross_join_json_array(column, alias) -%}
cross join lateral (
        select
            elements.element,
            elements.position,
            row_number() over (
                partition by elements.element order by elements.position
            ) as occurrence
        from json_array_elements_text(
            case when json_typeof({{ column }}) = 'array' then {{ column }} end
        ) with ordinality as elements (element, position)
    ) as {{ alias }}
{%- endmacro %}


{#- One row per part of a delimited text: `element` (text) and `position` (from 1). -#}
{% macro cross_join_delimited(column, delimiter, alias) -%}
{{ return(adapter.dispatch('cross_join_delimited', 'listenhouse')(column, delimiter, alias)) }}
{%- endmacro %}

{% macro default__cross_join_delimited(column, delimiter, alias) -%}
cross join lateral inline(
        transform(
            split({{ column }}, '{{ delimiter }}'),
            (x, i) -> struct(x as element, i + 1 as position)
        )
    ) as {{ alias }} (element, position)
{%- endmacro %}

{% macro postgres__cross_join_delimited(column, delimiter, alias) -%}
cross join lateral unnest(
        string_to_array({{ column }}, '{{ delimiter }}')
    ) with ordinality as {{ alias }} (element, position)
{%- endmacro %}


{#- One row per field of a json object: `name` and `value`, both text. -#}
{% macro cross_join_json_object(column, alias) -%}
{{ return(adapter.dispatch('cross_join_json_object', 'listenhouse')(column, alias)) }}
{%- endmacro %}

{% macro default__cross_join_json_object(column, alias) -%}
cross join lateral explode(
        from_json({{ column }}, 'map<string,string>')
    ) as {{ alias }} (name, value)
{%- endmacro %}

{% macro postgres__cross_join_json_object(column, alias) -%}
cross join lateral jsonb_each_text({{ column }}) as {{ alias }} (name, value)
{%- endmacro %}
