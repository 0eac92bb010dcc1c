{#- Write, audit, publish. dbt builds and tests candidates, in schemas of their own; what passed is
    brought to the tables that people read in one transaction: of tables that are built by
    unit, the units that were built since the last publication, and all rows of the others. The
    tables stay, as people's views, grants and prepared statements hang on them; readers see one
    day or the next (docs/publishing.md, ADR 14). -#}

{#- Whether marts are built aside. What is built as of a day, or on another target than those
    two, is read by who builds it. -#}
{% macro is_built_aside() -%}
    {{ return(target.name in ('default', 'prod') and not as_of().until) }}
{%- endmacro %}

{#- Where candidates of a schema are. -#}
{% macro candidates_of(schema_name) -%}
    {{ return('candidate_' ~ schema_name) }}
{%- endmacro %}

{#- The models that are published, those first that others read: node and name, schema of the
    candidate and that where people read it, whether it is a view. -#}
{% macro published_models() -%}
    {%- set models = [] -%}
    {%- for node in graph.nodes.values()
        if node.resource_type == 'model'
        and node.schema in (candidates_of('marts'), candidates_of('health')) -%}
        {%- do models.append({
            'node': node,
            'name': node.name,
            'candidate': node.schema,
            'schema': node.schema | replace(candidates_of(''), ''),
            'is_view': node.config.materialized == 'view',
            'rank': ancestors(node.unique_id) | length,
        }) -%}
    {%- endfor -%}
    {{ return(models | sort(attribute='rank,name')) }}
{%- endmacro %}

{#- A table of what is known of publications: `unpublished_units`, `passed_tests` and
    `published_builds`. -#}
{% macro publication_table(name) -%}
    {{ return(model_builds().incorporate(path={'identifier': name})) }}
{%- endmacro %}

{% macro create_publication_tables() -%}
        create table if not exists {{ publication_table('unpublished_units') }} (
            model_name {{ dbt.type_string() }} not null,
            -- as in changed_units
            {%- for name in unit_column_names() %}
            {{ name }} {{ dbt.type_string() }}{{ ',' if not loop.last }}
            {%- endfor %}
        );
        create index if not exists unpublished_units_model_name
        on {{ publication_table('unpublished_units') }} (model_name);
        create table if not exists {{ publication_table('passed_tests') }} (
            test_id {{ dbt.type_string() }} primary key,
            -- the builds that it read
            builds {{ dbt.type_string() }} not null
        );
        create table if not exists {{ publication_table('published_builds') }} (
            model_name {{ dbt.type_string() }} primary key,
            built_by {{ dbt.type_string() }} not null,
            -- the crawl that people read it as of
            boundary_at {{ dbt.type_timestamp() }} not null
        )
{%- endmacro %}

{#- The hook at the end of every invocation. On Spark, who reads sees what is built. -#}
{% macro publish_what_passed(results) -%}
    {%- if execute and flags.WHICH in ('build', 'run', 'test') and not flags.EMPTY
        and target.type == 'postgres'
        and load_relation(clock()) is not none -%}
        {%- if is_built_aside() -%}
            {%- set reads = builds_by_test() -%}
            {%- do run_query('commit') -%}
            {%- do note_tests(results, reads) -%}
            {#- what is decided and what is copied are of one moment, and of one publication -#}
            {%- do run_query(
                'commit; begin isolation level repeatable read; lock table '
                ~ publication_table('published_builds') ~ ' in exclusive mode'
            ) -%}
            {%- set reason = why_not_published(results, reads) -%}
            {%- set models = published_models() -%}
            {%- if reason -%}
                {#- what the tools record is right at any moment, before the first publication too -#}
                {%- do create_what_is_missing(
                    models | selectattr('schema', 'equalto', 'health') | list
                ) -%}
            {%- else -%}
                {%- do publish(models) -%}
            {%- endif -%}
            {%- do record_publication(reason) -%}
            {%- do run_query('commit') -%}
            {%- do log(reason or 'Published: ' ~ marts_boundary() ~ '.', info=true) -%}
        {%- else -%}
            {%- do note_published() -%}
            {%- do replace_all_in_lake() -%}
            {%- do run_query('commit') -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- The table that pins the boundary, as no model of its own reads it here. -#}
{% macro clock() -%}
    {%- set node = graph.nodes['model.listenhouse.base_crawls__committed'] -%}
    {{ return(api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.alias
    )) }}
{%- endmacro %}

{#- The recorded models that a test reads, through views. -#}
{% macro recorded_parents(node) -%}
    {%- if 'recorded_parents' not in node -%}
        {%- set found = {} -%}
        {%- for parent_id in node.depends_on.get('nodes', []) if parent_id in graph.nodes -%}
            {%- set parent = graph.nodes[parent_id] -%}
            {%- if is_recorded(parent) -%}
                {%- do found.update({parent.name: none}) -%}
            {%- else -%}
                {%- do found.update(dict.fromkeys(recorded_parents(parent))) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- do node.update({'recorded_parents': found | list}) -%}
    {%- endif -%}
    {{ return(node.recorded_parents) }}
{%- endmacro %}

{#- Test and the builds that it reads as of now; the clock is part of all. -#}
{% macro builds_by_test() -%}
    {%- set pairs = [] -%}
    {%- for node in graph.nodes.values()
        if node.resource_type == 'test' and node.config.severity | lower == 'error' -%}
        {%- for name in recorded_parents(node) or ['none'] -%}
            {%- do pairs.append("('" ~ node.unique_id ~ "', '" ~ name ~ "')") -%}
        {%- endfor -%}
    {%- endfor -%}
        select
            pairs.test_id,
            concat(
                (select max(boundary_at) from {{ clock() }}),
                string_agg(
                    concat(' ', builds.model_name, ' ', builds.built_by),
                    '' order by builds.model_name
                )
            ) as builds
        from (values {{ pairs | join(', ') }}) as pairs (test_id, model_name)
        left join {{ model_builds() }} as builds on pairs.model_name = builds.model_name
        group by pairs.test_id
{%- endmacro %}

{#- Writes down which tests passed, and on what. One that failed has not passed. -#}
{% macro note_tests(results, reads) -%}
    {%- set passed = [] -%}
    {%- set ran = [] -%}
    {%- for result in results if result.node.resource_type == 'test' -%}
        {%- do ran.append("'" ~ result.node.unique_id ~ "'") -%}
        {%- if result.status in ('pass', 'warn') -%}
            {%- do passed.append("'" ~ result.node.unique_id ~ "'") -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if ran -%}
        {%- do run_query(
            'delete from ' ~ publication_table('passed_tests')
            ~ ' where test_id in (' ~ ran | join(', ') ~ ')'
        ) -%}
    {%- endif -%}
    {%- if passed -%}
        {%- do run_query(
            'insert into ' ~ publication_table('passed_tests') ~ ' (test_id, builds)'
            ~ ' select * from (' ~ reads ~ ') as reads'
            ~ ' where test_id in (' ~ passed | join(', ') ~ ')'
        ) -%}
    {%- endif -%}
{%- endmacro %}

{#- Why what is built is not published, in a line; empty where it is. -#}
{% macro why_not_published(results, reads) -%}
    {%- set failed = {'model': [], 'seed': [], 'test': []} -%}
    {%- for result in results
        if result.node.resource_type in failed and result.status in ('fail', 'error') -%}
        {%- do failed[result.node.resource_type].append(result.node.name) -%}
    {%- endfor -%}
    {%- for kind, names in failed.items() if names -%}
        {{ return(not_published(counted_names(names, kind ~ ' failed', kind ~ 's failed'))) }}
    {%- endfor -%}
    {%- set hashes = [] -%}
    {%- for node in graph.nodes.values() if is_recorded(node) -%}
        {%- do hashes.append("('" ~ node.name ~ "', '" ~ code_hash(node.unique_id) ~ "')") -%}
    {%- endfor -%}
    {%- set stale = run_query(
        'select models.model_name from (values ' ~ hashes | join(', ')
        ~ ') as models (model_name, code_hash) left join ' ~ model_builds() ~ ' as builds'
        ~ ' on models.model_name = builds.model_name and models.code_hash = builds.code_hash'
        ~ ' and builds.built_until_at = (select max(boundary_at) from ' ~ clock() ~ ')'
        ~ ' where builds.built_by is null order by 1'
    ).columns[0].values() -%}
    {%- if stale -%}
        {{ return(not_published(counted_names(
            stale, 'model is not of the last crawl', 'models are not of the last crawl'
        ) ~ '; `dbt build` builds all')) }}
    {%- endif -%}
    {#- what is asked for by who knows that the tests have passed, as after a person is forgotten -#}
    {%- if var('publish') == 'untested' -%}
        {{ return('') }}
    {%- endif -%}
    {%- set untested = run_query(
        "select split_part(reads.test_id, '.', 3) from (" ~ reads ~ ') as reads'
        ~ ' left join ' ~ publication_table('passed_tests') ~ ' as passed'
        ~ ' on reads.test_id = passed.test_id and reads.builds = passed.builds'
        ~ ' where passed.test_id is null order by 1'
    ).columns[0].values() -%}
    {%- if untested -%}
        {{ return(not_published(counted_names(
            untested, 'test has not read what was built', 'tests have not read what was built'
        ) ~ '; `dbt test` runs them')) }}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}

{% macro not_published(why) -%}
    {{ return(
        'Not published: ' ~ why ~ '. ' ~ marts_boundary()
        ~ '; what was built is in ' ~ candidates_of('marts') ~ '.'
    ) }}
{%- endmacro %}

{#- How many, and the first of them by name. -#}
{% macro counted_names(names, one, many) -%}
    {%- set shown = (names | list)[:3] | join(', ') ~ (', …' if names | length > 3 else '') -%}
    {{ return(names | length ~ ' ' ~ (one if names | length == 1 else many) ~ ' (' ~ shown ~ ')') }}
{%- endmacro %}

{% macro marts_boundary() -%}
    {%- set boundary = run_query(
        "select to_char(max(boundary_at), 'YYYY-MM-DD HH24:MI:SS') from "
        ~ publication_table('published_builds')
    ).columns[0].values()[0] -%}
    {{ return('marts are as of ' ~ boundary ~ ' UTC' if boundary else 'marts have never been published') }}
{%- endmacro %}

{#- All that was built since the last publication, in the transaction under way. A model without
    a unit in the ledger was built, and nothing of it has changed. -#}
{% macro publish(models) -%}
    {%- do define_published(models) -%}
    {%- set ledger = publication_table('unpublished_units') -%}
    {#- how few they are decides whether rows are looked up, or all of them read -#}
    {%- do run_query('analyze ' ~ ledger) -%}
    {%- set tables = run_query(
        "select pg_class.relname, string_agg(format('%I', attname), ', ' order by attnum),"
        ~ " array_to_string(array(select case when bool_or(key is null) then 'missing' else 'known' end"
        ~ ' from ' ~ ledger ~ ','
        ~ ' unnest(array[' ~ unit_column_names() | join(', ') ~ ']) with ordinality as keys (key, place)'
        ~ " where model_name = pg_class.relname group by place order by place), ' '),"
        ~ " bool_or(published_class.reltuples < 0)"
        ~ ' from pg_attribute inner join pg_class on attrelid = pg_class.oid'
        ~ ' inner join pg_class as published_class on published_class.oid = to_regclass('
        ~ "replace(pg_class.relnamespace::regnamespace::text, '" ~ candidates_of('') ~ "', '') || '.' || pg_class.relname)"
        ~ ' inner join ' ~ model_builds() ~ ' as builds on pg_class.relname = builds.model_name'
        ~ ' left join ' ~ publication_table('published_builds') ~ ' as published'
        ~ ' on builds.model_name = published.model_name and builds.built_by = published.built_by'
        ~ " where pg_class.relnamespace::regnamespace::text in ('" ~ candidates_of('marts') ~ "', '"
        ~ candidates_of('health') ~ "') and attnum > 0 and not attisdropped"
        ~ ' and published.model_name is null group by pg_class.relname'
    ).rows -%}
    {%- set statements = [] -%}
    {%- for model in models if not model.is_view -%}
        {%- for table in tables if table[0] == model.name -%}
            {%- do statements.append(copy_of_candidate(model, table[1], (table[2] or '').split(), table[3])) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do carry_units_to_lake() -%}
    {%- do statements.append('delete from ' ~ ledger) -%}
    {%- do run_query(statements | join(';\n')) -%}
    {%- do note_published() -%}
{%- endmacro %}

{#- The statements that make a published table what its candidate is.

    Args: model; columns, of the table; keys, by column of the ledger whether it is `known` of
    every unit that was built, or `missing` from one, which then is all of them; is_new,
    whether the table has no statistics. What is made anew each day keeps those of the day before,
    until autovacuum looks. -#}
{% macro copy_of_candidate(model, columns, keys, is_new) -%}
    {%- set candidate = '"' ~ model.candidate ~ '"."' ~ model.name ~ '"' -%}
    {%- set published = '"' ~ model.schema ~ '"."' ~ model.name ~ '"' -%}
    {%- set units = unit_of(model.node) -%}
    {%- if units and 'missing' not in keys[:units | length] -%}
        {%- set changed -%}
        where ({{ units | join(', ') }})
        in ({{ changed_keys(model.node, units, publication_table('unpublished_units')) }})
        {%- endset -%}
        delete from {{ published }} {{ changed }};
        insert into {{ published }} ({{ columns }})
        select {{ columns }} from {{ candidate }} {{ changed }}
        {#- rows that stand together there do so here, as BRIN indexes ask #}
        order by ctid
    {%- else -%}
        delete from {{ published }};
        insert into {{ published }} ({{ columns }}) select {{ columns }} from {{ candidate }}
        {%- if units or is_new %};
        analyze {{ published }}
        {%- endif %}
    {%- endif -%}
{%- endmacro %}

{#- That what is built is what people read. -#}
{% macro note_published() -%}
    {%- do run_query(
        'delete from ' ~ publication_table('published_builds') ~ ';'
        ~ ' insert into ' ~ publication_table('published_builds')
        ~ ' select model_name, built_by, built_until_at from ' ~ model_builds()
        ~ ' where built_by is not null'
    ) -%}
{%- endmacro %}

{#- Writes down what came of it, where the tools that record runs have made the table. -#}
{% macro record_publication(reason) -%}
    {%- if load_relation(source('ops', 'publications')) is not none -%}
        {%- do run_query(
            'insert into ' ~ source('ops', 'publications')
            ~ ' (invocation_id, decided_at, is_published, reason, boundary_at, candidate_boundary_at)'
            ~ " values ('" ~ invocation_id ~ "', clock_timestamp(), " ~ (reason == '') ~ ", nullif("
            ~ dbt.string_literal(reason | replace("'", "''")) ~ ", ''),"
            ~ ' (select max(boundary_at) from ' ~ publication_table('published_builds') ~ "),"
            ~ ' (select max(boundary_at) from ' ~ clock() ~ '))'
        ) -%}
    {%- endif -%}
{%- endmacro %}
