{#- The schema a node is built in: exactly the one it names on the default and prod
    targets (`marts`), one of the developer's own on `dev` (`dev_alice_marts`). The
    developer's name is LISTENHOUSE_DEV_NAME, else the name of the operating
    system's user. With `as_of` set, it is one of that time (`as_of_20260301_marts`):
    the past is never built over the present. Where marts are published, their models are
    built as candidates (macros/publication/publish.sql). -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set schema_name = (custom_schema_name or target.schema) | trim -%}
    {%- set prefix = as_of().schema_prefix -%}
    {%- if target.name == 'dev' -%}
        {%- set developer = env_var('LISTENHOUSE_DEV_NAME', '') or env_var('USER', '') or env_var('USERNAME', 'me') -%}
        dev_{{ modules.re.sub('[^a-z0-9]+', '_', developer | lower).strip('_') }}_{{ prefix }}{{ schema_name }}
    {%- elif
        node and node.resource_type == 'model'
        and schema_name in ('marts', 'health')
        and is_built_aside()
    -%}
        {{ candidates_of(schema_name) }}
    {%- else -%}
        {{ prefix }}{{ schema_name }}
    {%- endif -%}
{%- endmacro %}
