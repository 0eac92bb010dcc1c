{#- Our incremental strategies on Spark, whose tables are Iceberg's: dbt-spark has none that replaces
    units. Each is one snapshot of the table, so that who reads sees all of a build or nothing,
    and a build that is killed is done again from the last one that is recorded. -#}

{#- dbt-spark's own, which knows its own only. -#}
{% macro dbt_spark_validate_get_incremental_strategy(raw_strategy, file_format) -%}
    {{ return(raw_strategy) }}
{%- endmacro %}

{#- dbt-spark's own. `source` is a view: what is built from the table itself has to be read before
    that changes. -#}
{% macro dbt_spark_get_incremental_sql(
    strategy, source, target, existing, unique_key, incremental_predicates
) -%}
    {%- if strategy == 'refill' -%}
        {{ get_insert_overwrite_sql(source, target, existing) }}
    {%- else -%}
        {%- set units = target.incorporate(path={'identifier': target.identifier ~ '__dbt_new'}) -%}
        {%- do run_query('create or replace table ' ~ units ~ ' using iceberg as select * from ' ~ source) -%}
        {%- do run_query(replace_units_sql(target, units, unit_of(model))) -%}
        drop table {{ units }} purge
    {%- endif -%}
{%- endmacro %}

{#- dbt-spark's own, which leaves the files of a table behind. -#}
{% macro spark__drop_relation(relation) -%}
    {%- call statement('drop_relation', auto_begin=False) -%}
        drop {{ relation.type }} if exists {{ relation }} {{ 'purge' if relation.is_table }}
    {%- endcall -%}
{%- endmacro %}

{#- Deletes the rows of the units that were built and inserts what was built, as one commit: a row
    to be deleted is matched by its unit, a new one matches none. -#}
{% macro replace_units_sql(target, units, keys) -%}
    {%- set columns = adapter.get_columns_in_relation(target) | map(attribute='name') | list -%}
    merge into {{ target }} as built
    using (
        select {{ columns | join(', ') }}, true as is_new from {{ units }}
        union all
        select distinct
            {%- for column in columns %}
            {{ column if column in keys else 'null' }},
            {%- endfor %}
            false
        from {{ units }}
    ) as unit
    on
        not unit.is_new
        {%- for key in keys %}
        and built.{{ key }} = unit.{{ key }}
        {%- endfor %}
    when matched then delete
    when not matched and unit.is_new then insert ({{ columns | join(', ') }})
    values (
        {%- for column in columns %}unit.{{ column }}{{ ', ' if not loop.last }}{% endfor -%}
    )
{%- endmacro %}
