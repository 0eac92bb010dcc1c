{#- dbt-spark's own puts quotes around a text that has some. -#}
{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set statement -%}
    insert into {{ this }} values
    {%- for row in agate_table.rows %}
    (
        {%- for value in row -%}
        {%- if value is none -%} null
        {%- elif value is string -%} '{{ value | replace('\\', '\\\\') | replace("'", "\\'") }}'
        {%- else -%} {{ value }}
        {%- endif -%}
        {{ ', ' if not loop.last }}
        {%- endfor -%}
    ){{ ',' if not loop.last }}
    {%- endfor -%}
    {%- endset -%}
    {%- do adapter.add_query(statement, abridge_sql_log=True) -%}
    {{ return(statement) }}
{%- endmacro %}
