{#- The versions of a member start at 1900-01-01, follow each other without gap or
    overlap, and end with the only one that is current. -#}
{% test contiguous_versions(model, member) %}

with

neighbours as (

    select
        *,
        lag(valid_to) over (
            partition by {{ member | join(', ') }} order by version_number
        ) as previous_valid_to
    from {{ rows_that_share(member, model) }}

)

select *
from neighbours
where
    (version_number = 1 and valid_from <> {{ first_valid_from() }})
    or (
        version_number > 1
        and (previous_valid_to is null or previous_valid_to <> valid_from)
    )
    or valid_to <= valid_from
    or is_current <> (valid_to is null)
    or (is_deleted and not is_current)
    or is_deleted <> (deleted_at is not null)

{% endtest %}
