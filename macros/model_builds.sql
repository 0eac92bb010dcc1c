{#- Incremental models rebuild what changed since they were built. What that was, the
    table intermediate.model_builds says: for each table which crawl it is as of, and
    which code it was built from, written in the transaction that builds it.

    A build of a crawl that was withdrawn, from other code than now, or from before an import
    that tells plays otherwise, does not count: the model is then built in full, as with
    --full-refresh. -#}

{% macro model_builds() -%}
    {{ return(api.Relation.create(
        database=generate_database_name(),
        schema=generate_schema_name('intermediate', none),
        identifier='model_builds',
    )) }}
{%- endmacro %}

{#- Runs before the first model. No model of its own: all the others would depend on it. -#}
{% macro create_model_builds() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {%- set relation = model_builds() -%}
        {%- if not adapter.check_schema_exists(relation.database, relation.schema) -%}
            {%- do create_schema(relation) -%}
        {%- endif -%}
        {{ adapter.dispatch('create_model_builds', 'listenhouse')(relation) }}
    {%- endif -%}
{%- endmacro %}

{#- One writer at a time, and no ledgers: all of it is audited, and published as it is built. -#}
{% macro default__create_model_builds(relation) -%}
        create table if not exists {{ relation }} (
            model_name {{ dbt.type_string() }} not null,
            code_hash {{ dbt.type_string() }} not null,
            built_until_at {{ dbt.type_timestamp() }} not null,
            built_by {{ dbt.type_string() }} not null
        )
{%- endmacro %}

{% macro postgres__create_model_builds(relation) -%}
        create table if not exists {{ relation }} (
            model_name {{ dbt.type_string() }} primary key,
            code_hash {{ dbt.type_string() }} not null,
            built_until_at {{ dbt.type_timestamp() }} not null,
            -- the invocation
            built_by {{ dbt.type_string() }} not null
        );
        {%- if not adapter.get_columns_in_relation(relation) | selectattr('name', 'equalto', 'built_by') | list %}
        alter table {{ relation }} add column if not exists built_by {{ dbt.type_string() }};
        {%- endif %}
        {{ create_relation_definitions() }};
        {{ create_audit_tables() }};
        {{ create_publication_tables() }}
{%- endmacro %}

{#- Whether the builds of a node are recorded: of the tables after staging, which are
    what other tables are built from. Views are always as of what they read. -#}
{% macro is_recorded(node) -%}
    {{ return(
        node.resource_type == 'model'
        and node.config.materialized in ('table', 'incremental')
        and 'staging' not in node.fqn
    ) }}
{%- endmacro %}

{#- The ids of all nodes that a node is built from, those of its own excluded. Asked for by
    each model of those before it, so found once an invocation: the graph remembers. -#}
{% macro ancestors(unique_id) -%}
    {%- set node = graph.nodes[unique_id] -%}
    {%- if 'ancestors' not in node -%}
        {%- set found = {} -%}
        {%- for parent_id in node.depends_on.get('nodes', []) if parent_id in graph.nodes -%}
            {%- do found.update({parent_id: none}) -%}
            {%- do found.update(dict.fromkeys(ancestors(parent_id))) -%}
        {%- endfor -%}
        {%- do node.update({'ancestors': found | list}) -%}
    {%- endif -%}
    {{ return(node.ancestors) }}
{%- endmacro %}

{#- A hash over the code of a model, of the models that it is built from, and of seeds, with
    where they are and the settings that they name in their meta. -#}
{% macro code_hash(unique_id) -%}
    {%- set node = graph.nodes[unique_id] -%}
    {%- if 'code_hash' not in node -%}
        {%- set codes = [] -%}
        {%- for node_id in ancestors(unique_id) + [unique_id] -%}
            {%- set read = graph.nodes[node_id] -%}
            {%- do codes.append(
                node_id ~ ' ' ~ read.schema ~ ' ' ~ read.checksum.checksum ~ (' ' ~ read.config.meta if read.config.meta else '')
            ) -%}
        {%- endfor -%}
        {%- do node.update({'code_hash': local_md5(codes | sort | join(' '))}) -%}
    {%- endif -%}
    {{ return(node.code_hash) }}
{%- endmacro %}

{#- The build of this model that it can be built on: as of which crawl; none if none. It is
    asked several times while a model is built, and looked up once. -#}
{% macro last_build() -%}
    {%- if 'last_build' not in model -%}
        {%- do model.update({'last_build': find_last_build()}) -%}
    {%- endif -%}
    {{ return(model.last_build) }}
{%- endmacro %}

{% macro find_last_build() -%}
    {%- set relation = model_builds() -%}
    {%- if load_cached_relation(relation) is none -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set crawls = graph.nodes['model.listenhouse.base_crawls__committed'].relation_name -%}
    {%- set found = run_query(
        'select cast(built_until_at as ' ~ dbt.type_string() ~ ') from ' ~ relation
        ~ " where model_name = '" ~ model.name ~ "'"
        ~ " and code_hash = '" ~ code_hash(model.unique_id) ~ "'"
        ~ ' and built_until_at in (select boundary_at from ' ~ crawls ~ ')'
    ) -%}
    {{ return(found.columns[0].values()[0] if found | length else none) }}
{%- endmacro %}

{#- As of when this model is built: what changed later is new to it. A literal, as the
    planner knows how many rows lie beyond it. -#}
{% macro built_until() -%}
cast('{{ last_build() if execute else '1900-01-01' }}' as {{ dbt.type_timestamp() }})
{%- endmacro %}

{#- As of when people read another model, whenever that is asked; null where nobody does. -#}
{% macro model_published_until(model_name) -%}
(
        select boundary_at from {{ publication_table('published_builds') }}
        where model_name = '{{ model_name }}'
    )
{%- endmacro %}

{#- Whether one of these times is later than the last build. -#}
{% macro is_since_build(columns) -%}
(
            {%- for column in columns %}
            {% if not loop.first %}or {% endif %}{{ column }} > {{ built_until() }}
            {%- endfor %}
        )
{%- endmacro %}

{#- The last hook of each model. What it was built from may be as of different crawls
    where only a part of the models ran: the oldest counts. -#}
{% macro record_build() -%}
    {%- if execute and is_recorded(model) -%}
        {%- set relation = model_builds() -%}
        {%- set crawls = graph.nodes['model.listenhouse.base_crawls__committed'].relation_name -%}
        {%- set parents = [] -%}
        {%- for node_id in ancestors(model.unique_id) if is_recorded(graph.nodes[node_id]) -%}
            {%- do parents.append("'" ~ graph.nodes[node_id].name ~ "'") -%}
        {%- endfor -%}
        {%- set statements = ['delete from ' ~ relation ~ " where model_name = '" ~ model.name ~ "'"] -%}
        {%- set insert %}
        insert into {{ relation }} (model_name, code_hash, built_until_at, built_by)
        select
            '{{ model.name }}',
            '{{ code_hash(model.unique_id) }}',
            min(builds.built_until_at),
            '{{ invocation_id }}'
        from (
            select max(boundary_at) as built_until_at from {{ crawls }}
            {%- if parents %}
            union all
            select built_until_at from {{ relation }}
            where model_name in ({{ parents | join(', ') }})
            {%- endif %}
        ) as builds
        having count(builds.built_until_at) = {{ 1 + parents | length }}
        {%- endset -%}
        {%- if not flags.EMPTY -%}
            {%- do statements.append(insert) -%}
        {%- endif -%}
        {%- if not is_incremental() -%}
            {%- do statements.extend(full_build_statements()) -%}
            {%- do statements.append(analyze(this)) -%}
        {%- endif -%}
        {{ in_sequence(statements) }}
    {%- endif -%}
{%- endmacro %}

{#- A hook of a model whose rows can be told otherwise by what landed later, at the time in
    this column: what was built from it before is built in full. -#}
{% macro discount_builds_before(column) -%}
    {%- if execute -%}
        {%- set names = [] -%}
        {%- for node in graph.nodes.values()
            if is_recorded(node) and model.unique_id in ancestors(node.unique_id) -%}
            {%- do names.append("'" ~ node.name ~ "'") -%}
        {%- endfor -%}
        delete from {{ model_builds() }}
        where
            model_name in ({{ names | join(', ') }})
            and built_until_at < (select max({{ column }}) from {{ this }})
    {%- endif -%}
{%- endmacro %}

{#- dbt's own, which is_incremental() asks as well; of it differs the last condition. -#}
{% macro should_full_refresh() -%}
    {%- set full_refresh = config.get('full_refresh') -%}
    {%- if full_refresh is none -%}
        {%- set full_refresh = flags.FULL_REFRESH or (
            execute
            and model.unique_id in graph.nodes
            and model.config.materialized == 'incremental'
            and is_recorded(model)
            and last_build() is none
        ) -%}
    {%- endif -%}
    {{ return(full_refresh) }}
{%- endmacro %}
