{#- Says plainly that there is nothing to build yet, instead of an error for each
    model. Seeds and documentation need no load. -#}
{% macro require_a_load() -%}
    {%- if execute and flags.WHICH in ('build', 'run', 'test', 'snapshot', 'freshness') -%}
        {%- set needs_landing = [] -%}
        {%- for unique_id in selected_resources -%}
            {%- set reads = graph.nodes[unique_id].depends_on.nodes
                if unique_id.startswith('test.') else [unique_id] -%}
            {%- for read_id in reads if not read_id.startswith('seed.') -%}
                {%- do needs_landing.append(read_id) -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- if needs_landing -%}
            {%- set crawls = load_relation(source('moovitamix', 'crawls')) -%}
            {%- set first = none if crawls is none else run_query(
                'select min(' ~ to_utc('boundary_at') ~ ') from ' ~ crawls
            ).columns[0].values()[0] -%}
            {%- if first is none -%}
                {{ exceptions.raise_compiler_error(
                    "There is no load yet: raw_moovitamix.crawls holds no committed crawl."
                    ~ " Load first with `dlt pipeline listen_history run` (or `make run`)."
                ) }}
            {%- elif as_of().until and as_of().until < (first | string) -%}
                {{ exceptions.raise_compiler_error(
                    "as_of is '" ~ var('as_of') ~ "', but the first crawl is of " ~ first
                    ~ " UTC: there is nothing to build as of then."
                ) }}
            {%- endif -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- dbt makes the schemas before it runs on-run-start: without this a build that
    comes too early would leave empty ones behind. -#}
{% macro create_schema(relation) -%}
    {{ require_a_load() }}
    {{ adapter.dispatch('create_schema', 'dbt')(relation) }}
{%- endmacro %}
