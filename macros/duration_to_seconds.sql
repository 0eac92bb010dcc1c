{#- Seconds from 'MM:SS', or from a whole number of seconds; anything else is null.
    The lengths are bounded so that no figure overflows an integer. -#}
{% macro duration_to_seconds(expression) -%}
case
            when {{ matches_pattern(expression, '^[0-9]{1,4}:[0-5][0-9]$') }}
                then
                    60 * cast({{ dbt.split_part(expression, "':'", 1) }} as {{ dbt.type_int() }})
                    + cast({{ dbt.split_part(expression, "':'", 2) }} as {{ dbt.type_int() }})
            when {{ matches_pattern(expression, '^[0-9]{1,6}$') }}
                then cast({{ expression }} as {{ dbt.type_int() }})
        end
{%- endmacro %}
