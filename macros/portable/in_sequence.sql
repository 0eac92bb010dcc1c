{#- Statements that a hook runs, one after another: as one text where the engine takes several at
    once, in the transaction that the hook is part of. -#}
{% macro in_sequence(statements) -%}
{{ return(adapter.dispatch('in_sequence', 'listenhouse')(statements)) }}
{%- endmacro %}

{% macro default__in_sequence(statements) -%}
    {%- for statement in statements if statement -%}
        {%- do run_query(statement) -%}
    {%- endfor -%}
{%- endmacro %}

{% macro postgres__in_sequence(statements) -%}
{{ statements | join(';\n') }};
{%- endmacro %}
