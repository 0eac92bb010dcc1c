{#- Members that listens name before their own record came, if it ever does: one row per
    source and member, with the key of its first version. The last common table
    expressions of a model that has `named_in_listens` before them, with `source_name`,
    `<member>_id` and `valid_from`.

    Args: member, 'user' or 'track'; versions, the versions of their records. -#}
{% macro inferred_members(member, versions) -%}
{%- set id = member ~ '_id' -%}
{%- set key = member ~ '_key' -%}
versions as (

    select * from {{ versions }}
    where version_number = 1

),

{% if is_incremental() -%}
-- their first observation stays
known as (

    select * from {{ this }}

),
{%- endif %}

first_named as (

    select
        source_name,
        {{ id }},
        min(valid_from) as first_observed_at
    from named_in_listens
    {% if is_incremental() -%}
    where {{ is_since_build(['valid_from']) }}
    {%- endif %}
    group by
        source_name,
        {{ id }}

),

inferred as (

    select
        -- keys
        {{ surrogate_key(['first_named.source_name', 'first_named.' ~ id, '1']) }} as {{ key }},

        -- ids
        first_named.source_name,
        first_named.{{ id }},

        -- timestamps
        first_named.first_observed_at,
        versions.first_observed_at as arrived_at
    from first_named
    left join versions
        on
            first_named.source_name = versions.source_name
            and first_named.{{ id }} = versions.{{ id }}
    {% if is_incremental() -%}
    left join known
        on
            first_named.source_name = known.source_name
            and first_named.{{ id }} = known.{{ id }}
    where
        (
            versions.{{ key }} is null
            or versions.first_observed_at > first_named.first_observed_at
        )
        and known.{{ key }} is null

    union all

    select
        known.{{ key }},
        known.source_name,
        known.{{ id }},
        known.first_observed_at,
        versions.first_observed_at as arrived_at
    from known
    inner join versions
        on
            known.source_name = versions.source_name
            and known.{{ id }} = versions.{{ id }}
    where
        known.arrived_at is null
        and {{ is_since_build(['versions.first_observed_at']) }}
    {%- else -%}
    where
        versions.{{ key }} is null
        or versions.first_observed_at > first_named.first_observed_at
    {%- endif %}

)
{%- endmacro %}
