{#- dbt's own, but for one thing: the table with the failing rows is made when there are
    some. dbt makes one for every test of every day, which costs it more than the tests. -#}
{% materialization test, default -%}

    {%- set limit = config.get('limit') -%}
    {%- set failing_rows = get_limit_subquery_sql(sql, limit) -%}

    {%- call statement('main', fetch_result=True) -%}
        {{ get_test_sql(
            failing_rows,
            config.get('fail_calc'),
            config.get('warn_if'),
            config.get('error_if'),
            limit=none,
        ) }}
    {%- endcall -%}

    {%- set relations = [] -%}
    {%- if should_store_failures() -%}
        {%- set store_as = config.get('store_failures_as') or 'table' -%}
        {%- set found = load_result('main')['table'].rows[0] -%}
        {%- set stored = adapter.get_relation(database, schema, model.alias) -%}
        {#- those of an earlier day are not of this one -#}
        {%- if stored is not none -%}
            {%- do adapter.drop_relation(stored) -%}
        {%- endif -%}
        {%- if found['should_warn'] or found['should_error'] -%}
            {%- set relation = api.Relation.create(database, schema, model.alias, type=store_as) -%}
            {%- call statement(auto_begin=True) -%}
                {{ get_create_sql(relation, failing_rows) }}
            {%- endcall -%}
            {%- do relations.append(relation) -%}
        {%- endif -%}
        {%- do adapter.commit() -%}
    {%- endif -%}

    {{ return({'relations': relations}) }}

{%- endmaterialization %}
