{#- Primary and foreign keys of published tables, so that BI tools draw the joins. Both cost nothing:
    a primary key takes over the unique index that is there, and a foreign key is not enforced, as
    the tests `foreign_keys` have read every reference before anything is published. -#}

{#- The statements that declare the keys that are missing and drop those that are wanted no more. Of
    a reference that names a row only together with another column there is no unique index, and
    of PostgreSQL before 18 no foreign key that is not enforced. -#}
{% macro key_changes(models) -%}
with models as (
    select
        schema,
        model_name,
        to_regclass(format('%I.%I', schema, model_name))::oid as published_id
    from (values {{ model_names(models) }}) as models (place, candidate, schema, model_name)
),

declared as (
    select *
    from (
        values {{ declared_references(models) }}
    ) as declared (model_name, column_name, referred_name, field_name)
    where model_name is not null
),

primary_keys as (
    select distinct
        referred.schema,
        referred.model_name,
        referred.published_id,
        declared.field_name,
        indexes.indexrelid::regclass as index_name,
        indexes.indisprimary as is_there
    from declared
    inner join models as referred on declared.referred_name = referred.model_name
    inner join pg_attribute as fields
        on
            referred.published_id = fields.attrelid
            and declared.field_name = fields.attname
            and fields.attnotnull
    inner join pg_index as indexes
        on
            referred.published_id = indexes.indrelid
            and indexes.indisunique
            and indexes.indpred is null
            and indexes.indkey::text = fields.attnum::text
),

foreign_keys as (
    select
        models.schema,
        models.model_name,
        models.published_id,
        format(
            '%s_%s_%s_fkey', models.model_name, declared.column_name, primary_keys.model_name
        ) as key_name,
        format(
            'foreign key (%I) references %I.%I (%I) not enforced',
            declared.column_name,
            primary_keys.schema,
            primary_keys.model_name,
            primary_keys.field_name
        ) as definition
    from declared
    inner join models on declared.model_name = models.model_name
    inner join primary_keys on declared.referred_name = primary_keys.model_name
    where current_setting('server_version_num')::integer >= 180000
),

statements as (
    select
        1 as step,
        format('alter table %I.%I drop constraint %I', schema, model_name, conname) as statement
    from models
    inner join pg_constraint on published_id = conrelid and contype = 'f'
    where conname not in (select key_name from foreign_keys)

    union all

    select
        2,
        format(
            'alter table %I.%I add constraint %I primary key using index %I',
            schema,
            model_name,
            model_name || '_pkey',
            (select relname from pg_class where oid = index_name)
        )
    from primary_keys
    where not is_there

    union all

    select
        3,
        format(
            'alter table %I.%I add constraint %I %s', schema, model_name, key_name, definition
        )
    from foreign_keys
    where not exists (
        select from pg_constraint where published_id = conrelid and key_name = conname
    )
)

select statement from statements order by step
{%- endmacro %}

{#- The references that tests check, as rows of literals: model, column, the model referred to and
    its field; one of nulls where there is none. -#}
{% macro declared_references(models) -%}
    {%- set names = models | map(attribute='name') | list -%}
    {%- set rows = ['(null, null, null, null)'] -%}
    {%- for test in graph.nodes.values()
        if test.resource_type == 'test'
        and test.test_metadata and test.test_metadata.name == 'foreign_keys'
        and test.attached_node in graph.nodes
        and graph.nodes[test.attached_node].name in names -%}
        {%- for column, reference in test.test_metadata.kwargs.references.items()
            if not reference.within -%}
            {%- do rows.append(
                "('" ~ graph.nodes[test.attached_node].name ~ "', '" ~ column ~ "', '"
                ~ reference.to.split("'")[1] ~ "', '" ~ reference.field ~ "')"
            ) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(rows | join(', ')) }}
{%- endmacro %}
