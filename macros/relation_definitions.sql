{#- What a relation was defined as when it was built, as a hash: what is the same today need
    not be said to the database again. -#}

{% macro relation_definitions() -%}
    {{ return(api.Relation.create(
        database=target.database,
        schema=generate_schema_name('intermediate', none),
        identifier='relation_definitions',
    )) }}
{%- endmacro %}

{% macro create_relation_definitions() -%}
        create table if not exists {{ relation_definitions() }} (
            relation_name {{ dbt.type_string() }} primary key,
            definition_hash {{ dbt.type_string() }} not null
        )
{%- endmacro %}

{#- Whether this model's relation is defined as that text says. -#}
{% macro is_defined_as(definition) -%}
    {{ return(run_query(
        'select 1 from ' ~ relation_definitions()
        ~ " where relation_name = '" ~ model.name ~ "'"
        ~ " and definition_hash = '" ~ local_md5(definition) ~ "'"
    ) | length > 0) }}
{%- endmacro %}

{#- Writes down what this model's relation is defined as. -#}
{% macro define(definition) -%}
    {%- do run_query(
        'delete from ' ~ relation_definitions()
        ~ " where relation_name = '" ~ model.name ~ "';"
        ~ ' insert into ' ~ relation_definitions()
        ~ " values ('" ~ model.name ~ "', '" ~ local_md5(definition) ~ "')"
    ) -%}
{%- endmacro %}

{#- What is said of a model and its columns. -#}
{% macro documented(node) -%}
    {%- set words = [node.description] -%}
    {%- for column in node.columns.values() -%}
        {%- do words.append(column.name ~ ': ' ~ column.description) -%}
    {%- endfor -%}
    {{ return(words | join('\n')) }}
{%- endmacro %}

{#- dbt's own, which says to the database each day what it says of a table already. -#}
{% macro postgres__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- if not (is_incremental() and is_defined_as(documented(model))) -%}
        {%- do dbt.default__persist_docs(relation, model, for_relation, for_columns) -%}
        {#- other tables are made anew each time, and a view is defined with its SQL -#}
        {%- if model.config.materialized == 'incremental' -%}
            {%- do define(documented(model)) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
