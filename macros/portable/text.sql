{#- A timestamp as text that depends on no setting of the session. -#}
{% macro timestamp_text(expression) -%}
{{ return(adapter.dispatch('timestamp_text', 'listenhouse')(expression)) }}
{%- endmacro %}

{% macro default__timestamp_text(expression) -%}
date_format({{ expression }}, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS")
{%- endmacro %}

{% macro postgres__timestamp_text(expression) -%}
to_char({{ expression }}, 'YYYY-MM-DD"T"HH24:MI:SS.US')
{%- endmacro %}


{#- A timestamp as people read it: 2026-06-01 03:00 UTC. -#}
{% macro minute_text(expression) -%}
{{ return(adapter.dispatch('minute_text', 'listenhouse')(expression)) }}
{%- endmacro %}

{% macro default__minute_text(expression) -%}
date_format({{ expression }}, "yyyy-MM-dd HH:mm 'UTC'")
{%- endmacro %}

{% macro postgres__minute_text(expression) -%}
to_char({{ expression }}, 'YYYY-MM-DD HH24:MI "UTC"')
{%- endmacro %}


{#- Whether the text matches a regular expression (the part that POSIX and Java
    share). -#}
{% macro matches_pattern(expression, pattern) -%}
{{ return(adapter.dispatch('matches_pattern', 'listenhouse')(expression, pattern)) }}
{%- endmacro %}

{% macro default__matches_pattern(expression, pattern) -%}
{{ expression }} rlike '{{ pattern }}'
{%- endmacro %}

{% macro postgres__matches_pattern(expression, pattern) -%}
{{ expression }} ~ '{{ pattern }}'
{%- endmacro %}


{#- Every run of white space as one space. -#}
{% macro collapse_whitespace(expression) -%}
{{ return(adapter.dispatch('collapse_whitespace', 'listenhouse')(expression)) }}
{%- endmacro %}

{% macro default__collapse_whitespace(expression) -%}
regexp_replace({{ expression }}, '[[:space:]]+', ' ')
{%- endmacro %}

{% macro postgres__collapse_whitespace(expression) -%}
regexp_replace({{ expression }}, '[[:space:]]+', ' ', 'g')
{%- endmacro %}
