{#- A table that the tools write, of schema ops or recommendations; no rows where it does not
    exist yet. The load of a newer version, or the first recommendation, makes it, and a build
    before that, or of a warehouse whose runs nobody records, is good all the same: the next
    build looks again. dbt creating it would mean to say twice what warehouse/ops/tables.py and
    recommender/tables.py say, and may lack the right to. -#}
{% macro recorded(schema_name, table_name) -%}
    {%- set relation = source(schema_name, table_name) -%}
    {%- if not execute or relation.is_cte or load_relation(relation) is not none -%}
        {{ relation }}
    {%- else -%}
        {%- set columns = graph.sources[
            'source.listenhouse.' ~ schema_name ~ '.' ~ table_name
        ].columns -%}
        (
        select
            {%- for column in columns.values() %}
            cast(null as {{ column.data_type }}) as {{ column.name }}
            {%- if not loop.last %},{% endif %}
            {%- endfor %}
        where false
    ) as nothing_recorded
    {%- endif -%}
{%- endmacro %}

{#- What is known of a run or a step, or what was known of it as of `as_of`, while it had
    not ended. -#}
{% macro unless_ended_later(expression, otherwise='null') -%}
    {%- set until = as_of().until -%}
    {%- if until -%}
case
            when
                {{ to_utc('ended_at') }}
                > cast('{{ until }}' as {{ dbt.type_timestamp() }})
                then {{ otherwise }}
            else {{ expression }}
        end
    {%- else -%}
{{ expression }}
    {%- endif -%}
{%- endmacro %}

{#- Leaves out what began, or happened, after `as_of`. -#}
{% macro where_begun(column='started_at') -%}
    {%- set until = as_of().until -%}
    {%- if until -%}
    where
        {{ to_utc(column) }}
        <= cast('{{ until }}' as {{ dbt.type_timestamp() }})
    {%- endif -%}
{%- endmacro %}
