{#- Seconds from one timestamp to another, with fractions. -#}
{% macro seconds_between(start, stop) -%}
{{ return(adapter.dispatch('seconds_between', 'listenhouse')(start, stop)) }}
{%- endmacro %}

{% macro default__seconds_between(start, stop) -%}
((unix_micros({{ stop }}) - unix_micros({{ start }})) / 1000000.0)
{%- endmacro %}

{% macro postgres__seconds_between(start, stop) -%}
cast(extract(epoch from {{ stop }} - {{ start }}) as double precision)
{%- endmacro %}
