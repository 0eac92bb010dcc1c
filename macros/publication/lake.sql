{#- What the lake has to know of a publication, where there is one (docs/lakehouse.md): its tables
    are there once `listenhouse lake publish` ran. -#}

{% macro lake_table(name) -%}
    {{ return(api.Relation.create(database=target.database, schema='lake', identifier=name)) }}
{%- endmacro %}

{#- Carries the units that are published on to the lake, in the transaction that publishes them:
    it replaces them when it is published next. -#}
{% macro carry_units_to_lake() -%}
    {%- if has_lake() -%}
        {%- set keys = unit_column_names() | join(', ') -%}
        {%- set compared -%}
        (model_name
        {%- for name in unit_column_names() %}, coalesce({{ name }}, ''){% endfor -%}
        )
        {%- endset -%}
        {%- set carried, units = lake_table('unpublished_units'), publication_table('unpublished_units') -%}
        {%- do note_unit_columns() -%}
        {%- do run_query(
            'delete from ' ~ carried ~ ' where ' ~ compared ~ ' in (select '
            ~ compared[1:-1] ~ ' from ' ~ units ~ ');'
            ~ ' insert into ' ~ carried ~ ' (model_name, ' ~ keys ~ ')'
            ~ ' select model_name, ' ~ keys ~ ' from ' ~ units
        ) -%}
    {%- endif -%}
{%- endmacro %}

{#- That the lake replaces all: what is built in place has no units that are published. -#}
{% macro replace_all_in_lake() -%}
    {%- if target.name == 'in_place' and not as_of().until and has_lake() -%}
        {%- do note_unit_columns() -%}
        {%- do run_query(
            'insert into ' ~ lake_table('unpublished_units') ~ ' (model_name)'
            ~ ' select model_name from ' ~ lake_table('unit_columns')
        ) -%}
    {%- endif -%}
{%- endmacro %}

{% macro has_lake() -%}
    {{ return(run_query(
        "select 1 where to_regclass('" ~ lake_table('unpublished_units') ~ "') is not null"
    ) | length > 0) }}
{%- endmacro %}

{#- Which columns name a unit of each model. -#}
{% macro note_unit_columns() -%}
    {%- set models = [] -%}
    {%- for node in graph.nodes.values() if unit_of(node) -%}
        {%- do models.append("('" ~ node.name ~ "', '" ~ unit_of(node) | join(' ') ~ "')") -%}
    {%- endfor -%}
    {%- do run_query(
        'delete from ' ~ lake_table('unit_columns') ~ '; insert into ' ~ lake_table('unit_columns')
        ~ ' (model_name, unit_columns) values ' ~ models | join(', ')
    ) -%}
{%- endmacro %}
