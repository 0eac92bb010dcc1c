{#- Whether a table of a source is there: one that comes as files may never have come.

    Args: relation; personal, columns with personal data that nothing can be told without: in the
    lake they may be missing, which is no reason to leave a source out. -#}
{% macro is_landed(relation, personal) -%}
    {%- set is_there = not execute or load_relation(relation) is not none -%}
    {%- if execute and is_there and target.type == 'spark' -%}
        {%- for column in personal if not is_in_lake(relation, column) -%}
            {{ exceptions.raise_compiler_error(
                relation ~ ' has no ' ~ column ~ ': it is personal, and needed. Bring it to the'
                ~ ' lake with `LISTENHOUSE_LAKE_PERSONAL=yes listenhouse lake publish --whole`.'
            ) }}
        {%- endfor -%}
    {%- endif -%}
    {{ return(is_there) }}
{%- endmacro %}
