{#- No two rows agree on all columns of a key; nulls count as equal. One query for all
    keys of a table: a failing row names the key, its values and how often they occur. -#}
{% test unique_keys(model, keys) %}

{%- for columns in keys %}
{%- set values = [] -%}
{%- for column in columns -%}
    {%- do values.append(
        'coalesce(cast(' ~ column ~ ' as ' ~ dbt.type_string() ~ "), 'null')"
    ) -%}
{%- endfor %}
select
    {{ dbt.string_literal(columns | join(', ')) }} as key_columns,
    {{ values | join(" || ', ' || ") }} as key_values,
    count(*) as row_count
from {{ rows_that_share(columns, model) }}
group by
    {{ columns | join(',\n    ') }}
having count(*) > 1
{% if not loop.last %}
union all
{% endif %}
{%- endfor %}

{% endtest %}
