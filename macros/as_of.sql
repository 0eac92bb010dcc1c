{#- What the variable `as_of` asks for: `until`, the UTC time as of which landing is
    read (empty: as of the last crawl), and `schema_prefix`, before the names of all
    schemas.

    A date means that whole UTC day, a time exactly then. YAML gives an unquoted date or
    time as an object and a quoted one as text; both print alike. -#}
{% macro as_of() -%}
    {%- set text = (var('as_of') or '') | string | trim -%}
    {%- if not text -%}
        {{ return({'until': '', 'schema_prefix': ''}) }}
    {%- endif -%}
    {%- set parts = modules.re.match(
        '^([12][0-9]{3})-([0-9]{2})-([0-9]{2})'
        ~ '(?:[ T]([0-9]{2}):([0-9]{2})(?:[:]([0-9]{2})(?:[.]([0-9]{1,6}))?)?)?$',
        text
    ) -%}
    {%- set numbers = [] -%}
    {%- for part in (parts.groups() if parts else []) -%}
        {%- do numbers.append((part or '0') | int) -%}
    {%- endfor -%}
    {%- set last_day = (
        modules.datetime.date(numbers[0] + numbers[1] // 12, numbers[1] % 12 + 1, 1)
        - modules.datetime.timedelta(days=1)
    ).day if numbers and 1 <= numbers[1] <= 12 else 0 -%}
    {%- if not (
        numbers and 1 <= numbers[2] <= last_day
        and numbers[3] < 24 and numbers[4] < 60 and numbers[5] < 60
    ) -%}
        {{ exceptions.raise_compiler_error(
            "as_of is '" ~ text ~ "'; it must be a date (2026-03-01, the whole UTC day) or a"
            ~ " UTC time without a zone (2026-03-01 18:00:00)."
        ) }}
    {%- endif -%}
    {%- set is_date = text | length == 10 -%}
    {{ return({
        'until': text ~ ' 23:59:59.999999' if is_date else text,
        'schema_prefix': 'as_of_' ~ modules.re.sub('[^0-9]', '', text) ~ '_',
    }) }}
{%- endmacro %}

{#- What time it is: that of `as_of`, where it is set. -#}
{% macro present_time() -%}
    {%- set until = as_of().until -%}
    {%- if until -%}
cast('{{ until }}' as {{ dbt.type_timestamp() }})
    {%- else -%}
{{ to_utc(dbt.current_timestamp()) }}
    {%- endif -%}
{%- endmacro %}
