{#- The median of an array, nulls left out; null when nothing is left. -#}
{% macro median_of(values) -%}
{{ return(adapter.dispatch('median_of', 'listenhouse')(values)) }}
{%- endmacro %}

{% macro default__median_of(values) -%}
aggregate(
    slice(
        array_sort(array_compact({{ values }})),
        greatest(1, cast(floor((size(array_compact({{ values }})) + 1) / 2) as int)),
        2 - size(array_compact({{ values }})) % 2
    ),
    cast(0 as double),
    (total, element) -> total + element,
    total -> case
        when size(array_compact({{ values }})) > 0
            then total / (2 - size(array_compact({{ values }})) % 2)
    end
)
{%- endmacro %}

{% macro postgres__median_of(values) -%}
(
    select percentile_cont(0.5) within group (order by element)
    from unnest({{ values }}) as element
)
{%- endmacro %}


{#- A number as people read it: 1,234, 12.5, 0.0625. The smaller it is, the more
    decimals; none that are zero. -#}
{% macro number_text(expression) -%}
{{ return(adapter.dispatch('number_text', 'listenhouse')(expression)) }}
{%- endmacro %}

{% macro default__number_text(expression) -%}
case
    when abs({{ expression }}) >= 100 then format_number({{ expression }}, '#,##0')
    when abs({{ expression }}) >= 1 then format_number({{ expression }}, '#,##0.##')
    else format_number({{ expression }}, '#,##0.####')
end
{%- endmacro %}

{% macro postgres__number_text(expression) -%}
case
    when abs({{ expression }}) >= 100
        then to_char({{ expression }}, 'FM999,999,999,999,999,990')
    when abs({{ expression }}) >= 1
        then rtrim(to_char({{ expression }}, 'FM990.99'), '.')
    else rtrim(to_char({{ expression }}, 'FM0.9999'), '.')
end
{%- endmacro %}
