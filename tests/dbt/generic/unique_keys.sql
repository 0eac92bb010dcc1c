{#- No two rows agree on all columns of a key; nulls count as equal. One query for all the
    keys of a table: a failing row names the key, its values and how often they are there. -#}
{% test unique_keys(model, keys) %}

{%- for columns in keys %}
select
    {{ dbt.string_literal(columns | join(', ')) }} as key_columns,
    {{ dbt.concat(key_values(columns)) }} as key_values,
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

{#- A key's columns as text, with a comma between them. -#}
{% macro key_values(columns) -%}
    {%- set values = [] -%}
    {%- for column in columns -%}
        {%- if not loop.first -%}
            {%- do values.append("', '") -%}
        {%- endif -%}
        {%- do values.append(
            'coalesce(cast(' ~ column ~ ' as ' ~ dbt.type_string() ~ "), 'null')"
        ) -%}
    {%- endfor -%}
    {{ return(values) }}
{%- endmacro %}
