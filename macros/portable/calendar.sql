{#- Parts of a date that every engine has under another name. -#}

{#- 1 (Monday) to 7 (Sunday). -#}
{% macro iso_day_of_week(expression) -%}
{{ return(adapter.dispatch('iso_day_of_week', 'listenhouse')(expression)) }}
{%- endmacro %}

{% macro default__iso_day_of_week(expression) -%}
extract(dayofweek_iso from {{ expression }})
{%- endmacro %}

{% macro postgres__iso_day_of_week(expression) -%}
extract(isodow from {{ expression }})
{%- endmacro %}


{#- The year that the ISO week belongs to. -#}
{% macro iso_year(expression) -%}
{{ return(adapter.dispatch('iso_year', 'listenhouse')(expression)) }}
{%- endmacro %}

{% macro default__iso_year(expression) -%}
extract(yearofweek from {{ expression }})
{%- endmacro %}

{% macro postgres__iso_year(expression) -%}
extract(isoyear from {{ expression }})
{%- endmacro %}


{#- The day of the year, from 1. -#}
{% macro day_of_year(expression) -%}
extract(doy from {{ expression }})
{%- endmacro %}


{#- The English name of the month. -#}
{% macro month_name(expression) -%}
{{ return(adapter.dispatch('month_name', 'listenhouse')(expression)) }}
{%- endmacro %}

{% macro default__month_name(expression) -%}
date_format({{ expression }}, 'MMMM')
{%- endmacro %}

{% macro postgres__month_name(expression) -%}
to_char({{ expression }}, 'FMMonth')
{%- endmacro %}


{#- The English name of the day of the week. -#}
{% macro day_name(expression) -%}
{{ return(adapter.dispatch('day_name', 'listenhouse')(expression)) }}
{%- endmacro %}

{% macro default__day_name(expression) -%}
date_format({{ expression }}, 'EEEE')
{%- endmacro %}

{% macro postgres__day_name(expression) -%}
to_char({{ expression }}, 'FMDay')
{%- endmacro %}


{#- Whole days from the date of one timestamp to that of another; null where one of them is. -#}
{% macro days_between(start, stop) -%}
{{ return(adapter.dispatch('days_between', 'listenhouse')(start, stop)) }}
{%- endmacro %}

{#- dbt's own fails on a null on Spark. -#}
{% macro default__days_between(start, stop) -%}
datediff({{ stop }}, {{ start }})
{%- endmacro %}

{% macro postgres__days_between(start, stop) -%}
{{ dbt.datediff(start, stop, 'day') }}
{%- endmacro %}
