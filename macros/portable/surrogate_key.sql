{#- The key of a row: a hash over its natural key, the source's name first.

    `fields` are expressions of any type but timestamps (wrap those in
    timestamp_text). Each is written as its length and its text, null as a dash, so
    that no two lists of values give the same text: ('a', 'bc') and ('ab', 'c'),
    null and '-' all differ.

    PostgreSQL keeps the hash as a uuid: 16 bytes, where the text takes 36. Elsewhere it is the
    text of that uuid, so that keys of one engine are found on the other. -#}
{% macro surrogate_key(fields) -%}
{{ return(adapter.dispatch('surrogate_key', 'listenhouse')(fields)) }}
{%- endmacro %}

{% macro default__surrogate_key(fields) -%}
regexp_replace(
            {{ dbt.hash(surrogate_key_text(fields)) }},
            '^(.{8})(.{4})(.{4})(.{4})', '$1-$2-$3-$4-'
        )
{%- endmacro %}

{% macro postgres__surrogate_key(fields) -%}
cast({{ dbt.hash(surrogate_key_text(fields)) }} as uuid)
{%- endmacro %}

{% macro surrogate_key_text(fields) -%}
    {%- set parts = [] -%}
    {%- for field in fields -%}
        {%- set text = 'cast(' ~ field ~ ' as ' ~ dbt.type_string() ~ ')' -%}
        {%- set text_length = 'cast(' ~ dbt.length(text) ~ ' as ' ~ dbt.type_string() ~ ')' -%}
        {%- do parts.append('coalesce(' ~ text_length ~ " || ':' || " ~ text ~ ", '-')") -%}
    {%- endfor -%}
{{ parts | join(' || ') }}
{%- endmacro %}

{#- The key of the member that stands for "no id" in every dimension. -#}
{% macro unknown_key() -%}
{{ surrogate_key(["'unknown'"]) }}
{%- endmacro %}
