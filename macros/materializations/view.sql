{#- dbt's own, but a view that is there as it was defined is left as it is: to make it
    anew takes dbt a dozen statements, every day, and takes the views of other people that
    hang on it along. A full refresh makes it anew. -#}
{% materialization view, adapter='postgres' -%}

    {%- set definition = sql ~ documented(model) ~ (config.get('grants') or '') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if
        existing is not none and existing.is_view
        and not should_full_refresh()
        and is_defined_as(definition)
    -%}
        {#- without its last argument, dbt cannot write the result down -#}
        {%- do store_raw_result(
            'main', message='UNCHANGED', code='UNCHANGED', rows_affected=none
        ) -%}
        {{ return({'relations': [this]}) }}
    {%- endif -%}

    {%- set built = dbt.materialization_view_default() -%}
    {%- do define(definition) -%}
    {{ return(built) }}

{%- endmaterialization %}
