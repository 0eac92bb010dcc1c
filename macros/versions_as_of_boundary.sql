{#- Landing keeps every version of every record; staging reads it as of one
    boundary, that of the last committed crawl (base_crawls__committed). Both macros
    expect `source` to hold the landing table and `boundary` its one row,
    `boundary_at`. -#}

{#- Which versions exist as of the boundary. What a crawl that is under way or died
    has merged lies beyond it. -#}
{% macro is_landed_by_boundary() -%}
{{ to_utc('source._dlt_valid_from') }} <= boundary.boundary_at
{%- endmacro %}

{#- When the version was closed, null when it was still open as of the boundary. -#}
{% macro valid_to_as_of_boundary() -%}
case
            when {{ to_utc('source._dlt_valid_to') }} <= boundary.boundary_at
                then {{ to_utc('source._dlt_valid_to') }}
        end
{%- endmacro %}
