{#- Each column holds what it may: one query for all the rules of a table. A failing row
    comes with the rules that it breaks.

    never_null: columns. accepted_values: by column, the list of its values. within: by
    column, the lowest and the highest number that it may be; PostgreSQL sorts NaN after
    every number, so it is beyond the highest. Nulls pass the last two. -#}
{% test valid_columns(model, never_null=[], accepted_values={}, within={}) %}

{%- set rules = [] -%}
{%- for column in never_null -%}
    {%- do rules.append((column ~ ' is null', column ~ ' is null')) -%}
{%- endfor -%}
{%- for column, values in accepted_values.items() -%}
    {%- set literals = [] -%}
    {%- for value in values -%}
        {%- do literals.append(dbt.string_literal(value) if value is string else value) -%}
    {%- endfor -%}
    {%- do rules.append((
        column ~ ' not in (' ~ literals | join(', ') ~ ')',
        column ~ ' is none of the accepted values',
    )) -%}
{%- endfor -%}
{%- for column, bounds in within.items() -%}
    {%- do rules.append((
        column ~ ' < ' ~ bounds[0] ~ ' or ' ~ column ~ ' > ' ~ bounds[1],
        column ~ ' is not within ' ~ bounds[0] ~ ' and ' ~ bounds[1],
    )) -%}
{%- endfor -%}
{%- set broken_rules = [] -%}
{%- for condition, text in rules -%}
    {%- do broken_rules.append(
        'case when ' ~ condition ~ ' then ' ~ dbt.string_literal(text) ~ ' end'
    ) -%}
{%- endfor %}

select
    concat_ws('; ', {{ broken_rules | join(', ') }}) as broken_rules,
    *
from {{ model }}
where
    {{ rules | map(attribute=0) | join('\n    or ') }}

{% endtest %}
