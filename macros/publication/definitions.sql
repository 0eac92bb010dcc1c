{#- What people read is defined as its candidate is: columns, indexes, comments, and views with
    the names of published tables in them; and has keys, which candidates do without (keys.sql).
    Where nothing differs nothing is done; where something does, that takes a lock that readers
    notice, which is not waited for. -#}

{#- All published relations, in the transaction under way. -#}
{% macro define_published(models) -%}
    {%- do create_what_is_missing(models) -%}
    {%- set tables = models | rejectattr('is_view') | list -%}
    {%- set views = models | selectattr('is_view') | list -%}
    {%- for changes in (table_changes(tables), key_changes(tables), view_changes(views)) -%}
        {%- set statements = run_query(changes).columns[0].values() -%}
        {%- if statements -%}
            {%- do run_query(when_nobody_holds_a_table(statements)) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do execute_all(comment_changes(models)) -%}
{%- endmacro %}

{#- Statements that lock tables as a whole. Each try waits for a second, as queries that come later
    wait behind it, and lets go of what it has locked before the next one. A role that may not use
    plpgsql, as one that could make functions, has one try. -#}
{% macro when_nobody_holds_a_table(statements) -%}
{%- if run_query("select has_language_privilege('plpgsql', 'usage')").columns[0].values()[0] -%}
do $publication$
begin
    for nth_try in 1..10 loop
        begin
            set local lock_timeout = '1s';
            {{ statements | join(';\n') }};
            set local lock_timeout = 0;
            return;
        exception when lock_not_available then
            if nth_try = 10 then
                raise exception using message =
                    'Not published: columns, indexes or views of a published table change, and a '
                    || 'query holds it all the time. Wait for it, or end it, and run dbt again.';
            end if;
            perform pg_sleep(1);
        end;
    end loop;
end
$publication$
{%- else -%}
set local lock_timeout = '1s';
{{ statements | join(';\n') }};
set local lock_timeout = 0
{%- endif -%}
{%- endmacro %}

{#- Tables that people do not have yet, empty, and views. -#}
{% macro create_what_is_missing(models) -%}
    {%- set missing = run_query(
        'select model_name from (values ' ~ model_names(models)
        ~ ') as models (place, candidate, schema, model_name)'
        ~ " where to_regclass(format('%I.%I', schema, model_name)) is null"
        ~ " and to_regclass(format('%I.%I', candidate, model_name)) is not null"
    ).columns[0].values() -%}
    {%- if missing -%}
        {%- set new = models | selectattr('name', 'in', missing) | list -%}
        {%- for schema_name in new | map(attribute='schema') | unique
            if not adapter.check_schema_exists(target.database, schema_name) -%}
            {%- do run_query('create schema if not exists "' ~ schema_name ~ '"') -%}
        {%- endfor -%}
        {%- for model in new if not model.is_view -%}
            {%- do run_query(
                'create table "' ~ model.schema ~ '"."' ~ model.name ~ '" (like "'
                ~ model.candidate ~ '"."' ~ model.name ~ '" including all)'
            ) -%}
        {%- endfor -%}
        {%- set views = new | selectattr('is_view') | list -%}
        {%- if views -%}
            {%- do execute_all(view_changes(views)) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Executes the statements that a query gives. -#}
{% macro execute_all(query) -%}
    {%- set statements = run_query(query).columns[0].values() -%}
    {%- if statements -%}
        {%- do run_query(statements | join(';\n')) -%}
    {%- endif -%}
{%- endmacro %}

{% macro model_names(models) -%}
    {%- set names = [] -%}
    {%- for model in models -%}
        {%- do names.append(
            "(" ~ loop.index ~ ", '" ~ model.candidate ~ "', '" ~ model.schema ~ "', '" ~ model.name ~ "')"
        ) -%}
    {%- endfor -%}
    {{ return(names | join(', ')) }}
{%- endmacro %}

{#- A column of another type is another column: all rows of a table whose columns changed were
    built anew. -#}
{% macro table_changes(models) -%}
with models as (
    select
        schema,
        model_name,
        to_regclass(format('%I.%I', candidate, model_name))::oid as candidate_id,
        to_regclass(format('%I.%I', schema, model_name))::oid as published_id
    from (values {{ model_names(models) }}) as models (place, candidate, schema, model_name)
),

columns as (
    select
        attrelid,
        attname,
        format_type(atttypid, atttypmod) as type
    from pg_attribute
    where
        attrelid in (select candidate_id from models union all select published_id from models)
        and attnum > 0
        and not attisdropped
),

indexes as (
    select
        indrelid,
        indexrelid::regclass::text as index_name,
        conname as key_name,
        indisunique as is_unique,
        regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', 'using ') as definition
    from pg_index
    left join pg_constraint on indexrelid = conindid and contype = 'p'
    where indrelid in (select candidate_id from models union all select published_id from models)
),

statements as (
    select
        1 as step,
        case
            -- what refers to it goes as well, and is declared anew (keys.sql)
            when key_name is not null
                then format(
                    'alter table %I.%I drop constraint %I cascade', schema, model_name, key_name
                )
            else format('drop index %s', index_name)
        end as statement
    from models
    inner join indexes on published_id = indrelid
    where not exists (
        select from indexes as candidates
        where
            candidates.indrelid = candidate_id
            and candidates.is_unique = indexes.is_unique
            and candidates.definition = indexes.definition
    )

    union all

    select
        2,
        format('alter table %I.%I drop column %I', schema, model_name, attname)
    from models
    inner join columns on published_id = attrelid
    where not exists (
        select from columns as candidates
        where
            candidates.attrelid = candidate_id
            and candidates.attname = columns.attname
            and candidates.type = columns.type
    )

    union all

    select
        3,
        format('alter table %I.%I add column %I %s', schema, model_name, attname, type)
    from models
    inner join columns on candidate_id = attrelid
    where not exists (
        select from columns as published
        where
            published.attrelid = published_id
            and published.attname = columns.attname
            and published.type = columns.type
    )

    union all

    select
        4,
        format(
            'create%s index on %I.%I %s',
            case when is_unique then ' unique' end, schema, model_name, definition
        )
    from models
    inner join indexes on candidate_id = indrelid
    where not exists (
        select from indexes as published
        where
            published.indrelid = published_id
            and published.is_unique = indexes.is_unique
            and published.definition = indexes.definition
    )
)

select statement from statements order by step
{%- endmacro %}

{#- None where a view is as its candidate. `create or replace` keeps what hangs on it, and can
    only add columns at the end; else the view is made anew, which fails where views of other
    people read it, and names them. -#}
{% macro view_changes(models) -%}
with models as (
    select
        place,
        format('%I.%I', schema, model_name) as published_name,
        to_regclass(format('%I.%I', candidate, model_name))::oid as candidate_id,
        to_regclass(format('%I.%I', schema, model_name))::oid as published_id
    from (values {{ model_names(models) }}) as models (place, candidate, schema, model_name)
),

definitions as (
    select
        models.*,
        regexp_replace(
            pg_get_viewdef(candidate_id), '\mcandidate_(marts|health)\.', '\1.', 'g'
        ) as wanted
    from models
    where candidate_id is not null
)

select statement
from definitions
cross join lateral (
    select
        1 as step,
        'drop view ' || published_name as statement
    where exists (
        select from pg_attribute as published
        left join pg_attribute as candidates
            on
                candidates.attrelid = candidate_id
                and published.attnum = candidates.attnum
                and published.attname = candidates.attname
                and published.atttypid = candidates.atttypid
        where
            published.attrelid = published_id
            and published.attnum > 0
            and candidates.attname is null
    )

    union all

    select
        2,
        -- a definition ends with a semicolon
        'create or replace view ' || published_name || ' as ' || rtrim(wanted, ';')
) as changes
where
    published_id is null
    or pg_get_viewdef(published_id) is distinct from wanted
order by place, step
{%- endmacro %}

{#- Of tables, views and columns, where they differ. -#}
{% macro comment_changes(models) -%}
with models as (
    select
        schema,
        model_name,
        to_regclass(format('%I.%I', candidate, model_name))::oid as candidate_id,
        to_regclass(format('%I.%I', schema, model_name))::oid as published_id
    from (values {{ model_names(models) }}) as models (place, candidate, schema, model_name)
)

select format(
    'comment on %s is %L',
    case
        when candidates.objsubid = 0
            then format(
                '%s %I.%I',
                case relkind when 'v' then 'view' else 'table' end, schema, model_name
            )
        else format('column %I.%I.%I', schema, model_name, columns.attname)
    end,
    candidates.description
)
from models
inner join pg_class on published_id = pg_class.oid
inner join pg_description as candidates
    on candidate_id = candidates.objoid and candidates.classoid = 'pg_class'::regclass
left join pg_attribute as columns
    on candidate_id = columns.attrelid and candidates.objsubid = columns.attnum
left join pg_attribute as published_columns
    on published_id = published_columns.attrelid and columns.attname = published_columns.attname
left join pg_description as published
    on
        published_id = published.objoid
        and published.classoid = 'pg_class'::regclass
        and published.objsubid = coalesce(published_columns.attnum, 0)
where published.description is distinct from candidates.description
{%- endmacro %}
