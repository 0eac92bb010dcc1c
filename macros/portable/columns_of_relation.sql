{#- dbt's own, but from PostgreSQL's catalog: the information schema joins eight tables for it, a
    hundred times in a build. -#}
{% macro postgres__get_columns_in_relation(relation) -%}
    {%- set columns = run_query(
        'select attname as column_name, format_type(atttypid, null) as data_type,'
        ~ ' information_schema._pg_char_max_length(atttypid, atttypmod),'
        ~ ' information_schema._pg_numeric_precision(atttypid, atttypmod),'
        ~ ' information_schema._pg_numeric_scale(atttypid, atttypmod)'
        ~ " from pg_attribute where attrelid = to_regclass('" ~ relation.include(database=false) ~ "')"
        ~ ' and attnum > 0 and not attisdropped order by attnum'
    ) -%}
    {{ return(sql_convert_columns_in_relation(columns)) }}
{%- endmacro %}
