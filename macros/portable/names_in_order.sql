{#- An aggregate: the names of a group as one text, in the order of their positions. -#}
{% macro names_in_order(name, position) -%}
{{ return(adapter.dispatch('names_in_order', 'listenhouse')(name, position)) }}
{%- endmacro %}

{#- dbt's own leaves out the order on Spark. -#}
{% macro default__names_in_order(name, position) -%}
array_join(
            transform(
                array_sort(collect_list(named_struct('position', {{ position }}, 'name', {{ name }}))),
                pair -> pair.name
            ),
            ', '
        )
{%- endmacro %}

{% macro postgres__names_in_order(name, position) -%}
{{ dbt.listagg(name, "', '", 'order by ' ~ position) }}
{%- endmacro %}
