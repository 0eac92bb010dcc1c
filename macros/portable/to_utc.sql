{#- A point in time as a timestamp in UTC without a zone, which is what every `_at`
    column of the models is: the API's times carry no zone, and one type compares on
    any engine. -#}
{% macro to_utc(expression) -%}
{{ return(adapter.dispatch('to_utc', 'listenhouse')(expression)) }}
{%- endmacro %}

{% macro default__to_utc(expression) -%}
cast({{ expression }} as {{ dbt.type_timestamp() }})
{%- endmacro %}

{% macro postgres__to_utc(expression) -%}
({{ expression }} at time zone 'UTC')
{%- endmacro %}
