{#- The incremental strategy `refill`: all rows of a table are new, and the table stays. To replace
    the table would drop the views that read it, which a build of the model alone does not bring
    back. -#}
{% macro get_incremental_refill_sql(arg_dict) -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    delete from {{ arg_dict['target_relation'] }};
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{%- endmacro %}
