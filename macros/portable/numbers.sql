{#- A join clause that adds the median of an array in a column: `median`, null when the
    array has nothing but nulls. Put it after the table in `from`. A join, not an
    expression: PostgreSQL would reckon that again wherever it is used. -#}
{% macro cross_join_median(column, alias) -%}
{{ return(adapter.dispatch('cross_join_median', 'listenhouse')(column, alias)) }}
{%- endmacro %}

{% macro default__cross_join_median(column, alias) -%}
cross join lateral (
                select percentile(element, 0.5) as median
                from (select explode({{ column }}) as element)
            ) as {{ alias }}
{%- endmacro %}

{% macro postgres__cross_join_median(column, alias) -%}
cross join lateral (
                select percentile_cont(0.5) within group (order by element) as median
                from unnest({{ column }}) as element
            ) as {{ alias }}
{%- endmacro %}


{#- The same with the 95th percentile beside it: `median` and `p95`. -#}
{% macro cross_join_median_and_p95(column, alias) -%}
{{ return(adapter.dispatch('cross_join_median_and_p95', 'listenhouse')(column, alias)) }}
{%- endmacro %}

{% macro default__cross_join_median_and_p95(column, alias) -%}
cross join lateral (
                select
                    percentile(element, 0.5) as median,
                    percentile(element, 0.95) as p95
                from (select explode({{ column }}) as element)
            ) as {{ alias }}
{%- endmacro %}

{% macro postgres__cross_join_median_and_p95(column, alias) -%}
cross join lateral (
                select
                    percentile_cont(0.5) within group (order by element) as median,
                    percentile_cont(0.95) within group (order by element) as p95
                from unnest({{ column }}) as element
            ) as {{ alias }}
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


{#- To six decimals, of floating point as they are. -#}
{% macro rounded(expression) -%}
round(({{ expression }}) * 1000000) / 1000000
{%- endmacro %}
