{#- What a contract says a column is, as Spark calls it: the types that stand in contracts are
    PostgreSQL's. dbt compares the columns of a model with those of this query. -#}
{% macro spark__get_empty_schema_sql(columns) -%}
    {%- set types = {
        'uuid': 'string',
        'text': 'string',
        'json': 'string',
        'jsonb': 'string',
        'double precision': 'double',
        'real': 'float',
        'timestamp with time zone': 'timestamp',
        'timestamp without time zone': 'timestamp',
    } -%}
    select
        {%- for column in columns.values() %}
        cast(null as {{ types.get(column.data_type, column.data_type) }}) as {{ column.name }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
{%- endmacro %}
