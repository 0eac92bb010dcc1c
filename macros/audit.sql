{#- What a data test reads. Complete, unless the variable audit_since says otherwise: then
    of a table that grows only the rows that were built since the last audit that passed,
    and the rows that share a key with them. `listenhouse run` sets the variable
    (operations/daily_run/audit.py decides); who types `dbt build` or `dbt test` has all rows read.

    What was built since, the table intermediate.changed_units says. Each incremental build
    writes down the units it replaced, in its own transaction, and a full build that all of
    them are new; an audit that passes takes out what it has read. -#}

{% macro changed_units() -%}
    {{ return(api.Relation.create(
        database=target.database,
        schema=generate_schema_name('intermediate', none),
        identifier='changed_units',
    )) }}
{%- endmacro %}

{% macro audits() -%}
    {{ return(changed_units().incorporate(path={'identifier': 'audits'})) }}
{%- endmacro %}

{#- The longest unique_key of a model that is built by unit. -#}
{% macro unit_column_names() -%}
    {{ return(['key_1', 'key_2', 'key_3']) }}
{%- endmacro %}

{% macro create_audit_tables() -%}
        create table if not exists {{ changed_units() }} (
            model_name {{ dbt.type_string() }} not null,
            -- the unit's unique_key as text, in its order; all null: every unit
            {%- for name in unit_column_names() %}
            {{ name }} {{ dbt.type_string() }},
            {%- endfor %}
            -- of the build, or of the audit under way that reads them
            invocation_id {{ dbt.type_string() }} not null
        );
        create index if not exists changed_units_model_name on {{ changed_units() }} (model_name);
        create table if not exists {{ audits() }} (
            audit_id {{ dbt.type_string() }} primary key,
            is_complete {{ dbt.type_boolean() }} not null,
            -- over the tests: others than these have not read the older rows
            tests_hash {{ dbt.type_string() }} not null,
            started_at {{ dbt.type_timestamp() }} not null,
            -- null: it failed, was interrupted, or is under way
            passed_at {{ dbt.type_timestamp() }},
            -- the crawl that the tables were as of
            boundary_at {{ dbt.type_timestamp() }}
        )
{%- endmacro %}

{#- The columns that name a unit of a model: what a build replaces as a whole. Empty where
    a build replaces all. -#}
{% macro unit_of(node) -%}
    {%- set unique_key = node.config.unique_key or [] -%}
    {%- set is_by_unit = (
        node.resource_type == 'model'
        and node.config.materialized == 'incremental'
        and node.config.incremental_strategy == 'delete+insert'
    ) -%}
    {%- if not is_by_unit -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set columns = [unique_key] if unique_key is string else unique_key -%}
    {%- if columns | length > unit_column_names() | length -%}
        {{ exceptions.raise_compiler_error(
            node.name ~ ' has a unique_key of more columns than changed_units: add one to'
            ~ ' unit_column_names, and to the table.'
        ) }}
    {%- endif -%}
    {{ return(columns) }}
{%- endmacro %}

{#- dbt's own, which also writes down which units the build replaces. -#}
{% macro default__get_incremental_delete_insert_sql(arg_dict) -%}
    {%- set columns = unit_of(model) -%}
    {%- set names = unit_column_names()[:columns | length] -%}
    {%- set ledgers = [changed_units()] + ([publication_table('unpublished_units')] if is_built_aside() else []) -%}
    {%- for ledger in ledgers %}
    {#- each unit once, however many builds nobody audits -#}
    delete from {{ ledger }}
    where
        model_name = '{{ model.name }}'
        and ({{ names | join(', ') }}) in (
            select
                {%- for column in columns %}
                cast({{ column }} as {{ dbt.type_string() }}){{ ',' if not loop.last }}
                {%- endfor %}
            from {{ arg_dict['temp_relation'] }}
        );

    insert into {{ ledger }}
    (model_name, {{ names | join(', ') }}{{ ', invocation_id' if loop.first }})
    select distinct
        '{{ model.name }}',
        {%- for column in columns %}
        cast({{ column }} as {{ dbt.type_string() }}){{ ',' if not loop.last }}
        {%- endfor %}
        {%- if loop.first %}
        , '{{ invocation_id }}'
        {%- endif %}
    from {{ arg_dict['temp_relation'] }};
    {%- endfor %}

    {{ get_delete_insert_merge_sql(
        arg_dict['target_relation'],
        arg_dict['temp_relation'],
        arg_dict['unique_key'],
        arg_dict['dest_columns'],
        arg_dict['incremental_predicates'],
    ) }}
{%- endmacro %}

{#- Part of the last hook of each model that was built in full: where it is built by unit, all
    units are new. -#}
{% macro full_build_statements() -%}
{{ return(adapter.dispatch('full_build_statements', 'listenhouse')()) }}
{%- endmacro %}

{#- There are no ledgers: all rows are audited, and read as they are built. -#}
{% macro default__full_build_statements() -%}
    {{ return([]) }}
{%- endmacro %}

{% macro postgres__full_build_statements() -%}
    {%- set statements = [] -%}
    {%- if unit_of(model) -%}
        {%- do statements.append(
            'delete from ' ~ changed_units() ~ " where model_name = '" ~ model.name ~ "'"
        ) -%}
        {%- do statements.append(
            'insert into ' ~ changed_units() ~ ' (model_name, invocation_id)'
            ~ " values ('" ~ model.name ~ "', '" ~ invocation_id ~ "')"
        ) -%}
        {%- if is_built_aside() -%}
            {%- set unpublished = publication_table('unpublished_units') -%}
            {%- do statements.append(
                'delete from ' ~ unpublished ~ " where model_name = '" ~ model.name ~ "'"
            ) -%}
            {%- do statements.append(
                'insert into ' ~ unpublished ~ " (model_name) values ('" ~ model.name ~ "')"
            ) -%}
        {%- endif -%}
    {%- endif -%}
    {{ return(statements) }}
{%- endmacro %}

{#- Whether only what was built since the last audit is read. -#}
{% macro is_narrow_audit() -%}
    {{ return(execute and (var('audit_since') or '') != '') }}
{%- endmacro %}

{#- What an audit reads of a relation: its rows, or those that were built since the last
    audit. Behind `from`; has no alias.

    A view over landing names in its meta, as changed_at, the columns with the crawls that
    its rows changed in. -#}
{% macro audited(relation, unique_id=none) -%}
    {%- if not is_narrow_audit() -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- set node = graph.nodes.get(unique_id or 'model.listenhouse.' ~ relation.identifier) -%}
    {%- set changed_at = (node.config.meta or {}).get('changed_at', []) if node else [] -%}
    {%- set columns = unit_of(node) if node else [] -%}
    {%- if changed_at -%}
        {{ return(rows_changed_since_audit(relation, changed_at)) }}
    {%- elif columns and not was_built_in_full(node.name, columns) -%}
        {{ return(
            '(select * from ' ~ relation ~ ' where (' ~ columns | join(', ')
            ~ ') in (' ~ changed_keys(node, columns) ~ '))'
        ) }}
    {%- endif -%}
    {{ return(relation) }}
{%- endmacro %}

{#- The rows of a relation that one of these times places after the last audit; all rows
    in a complete audit. Behind `from`; has no alias. -#}
{% macro rows_changed_since_audit(relation, changed_at) -%}
    {%- if not is_narrow_audit() -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- set since -%}
        > cast('{{ var('audit_since') }}' as {{ dbt.type_timestamp() }})
    {%- endset -%}
    {{ return(
        '(select * from ' ~ relation ~ ' where '
        ~ changed_at | join(' ' ~ since ~ ' or ') ~ ' ' ~ since ~ ')'
    ) }}
{%- endmacro %}

{#- A unit without one of its keys, which no look-up finds, counts as all of them. -#}
{% macro was_built_in_full(model_name, columns) -%}
    {{ return(run_query(
        'select 1 from ' ~ changed_units()
        ~ " where model_name = '" ~ model_name ~ "' and ("
        ~ unit_column_names()[:columns | length] | join(' is null or ') ~ ' is null) limit 1'
    ) | length > 0) }}
{%- endmacro %}

{#- The units of a model that were built since the last audit, or since what another ledger
    is kept for, in the types of its columns. -#}
{% macro changed_keys(node, columns, ledger=changed_units()) -%}
    {%- set types = {'string': dbt.type_string(), 'uuid': type_key()} -%}
    {%- set keys = [] -%}
    {%- for column in columns -%}
        {%- set type = node.columns[column].data_type -%}
        {%- do keys.append(
            'cast(' ~ unit_column_names()[loop.index0] ~ ' as ' ~ types.get(type, type) ~ ')'
        ) -%}
    {%- endfor -%}
    select {{ keys | join(', ') }} from {{ ledger }} where model_name = '{{ node.name }}'
{%- endmacro %}

{#- dbt's own, by which every generic test gets the rows that it reads. -#}
{% macro get_where_subquery(relation) -%}
    {%- set rows = audited(relation, model.attached_node) -%}
    {%- set where = config.get('where', '') -%}
    {%- if where -%}
        {{ return('(select * from ' ~ rows ~ ' where ' ~ where ~ ') as audited_rows') }}
    {%- elif rows is string -%}
        {{ return(rows ~ ' as audited_rows') }}
    {%- endif -%}
    {{ return(rows) }}
{%- endmacro %}

{#- For a generic test of keys: the rows it reads, and all others of the table that share
    these columns with one of them. Behind `from`; has an alias where it needs one.

    All of a unit are read where one is, so who shares a key that has the unit in it is read
    already; and who shares one that has the time of the change in it changed as well. `in`
    finds no nulls: rows with one in the key are compared among those that the test reads.

    Args: columns; rows, which the test got as `model`. -#}
{% macro rows_that_share(columns, rows) -%}
    {%- if not is_narrow_audit() or rows is not string -%}
        {{ return(rows) }}
    {%- endif -%}
    {%- set node = graph.nodes[model.attached_node] -%}
    {%- for column in node.config.meta.get('changed_at', []) if column in columns -%}
        {{ return(rows) }}
    {%- endfor -%}
    {%- if unit_of(node) and unit_of(node) | reject('in', columns) | list | length == 0 -%}
        {{ return(rows) }}
    {%- endif -%}
    {%- set keys = columns | join(', ') -%}
    {%- set sharing -%}
        (
            select * from {{ node.relation_name }}
            where ({{ keys }}) in (select {{ keys }} from {{ rows }})
            union all
            select * from {{ rows }}
            where {{ columns | join(' is null or ') }} is null
        ) as rows_that_share
    {%- endset -%}
    {{ return(sharing) }}
{%- endmacro %}

{#- For a singular test: restricts columns to the values that they have in what is audited
    of some models. Empty in a complete audit.

    Args: word, `where` or `and`; columns; relations, of those models, or rows of one as
    rows_changed_since_audit has them. -#}
{% macro only_audited(word, columns, relations) -%}
    {%- if is_narrow_audit() -%}
        {%- set values = [] -%}
        {%- for relation in relations -%}
            {%- set rows = relation if relation is string else audited(relation) -%}
            {%- set node = graph.nodes['model.listenhouse.' ~ relation.identifier]
                if relation is not string -%}
            {%- if node and unit_of(node) == columns and rows is string -%}
                {#- not from the table: how few they are is easier to guess -#}
                {%- do values.append(changed_keys(node, columns)) -%}
            {%- else -%}
                {%- do values.append(
                    'select ' ~ columns | join(', ') ~ ' from ' ~ rows ~ ' as audited_rows'
                ) -%}
            {%- endif -%}
        {%- endfor -%}
        {{ word }} ({{ columns | join(', ') }}) in ({{ values | join(' union ') }})
    {%- endif -%}
{%- endmacro %}
