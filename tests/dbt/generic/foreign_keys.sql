{#- Each column names a row of the table that it refers to, or is null: one query for
    all references of a table. A failing row comes with the columns that name nothing.

    references: by column, the table it refers to (`to`), the key there (`field`) and, where
    that names a row only together with a column of both tables, the other (`within`). -#}
{% test foreign_keys(model, references) %}

{%- set missing = [] -%}
{%- set names = [] -%}
{%- for column, reference in references.items() -%}
    {%- do missing.append(
        'referring.' ~ column ~ ' is not null and referred_' ~ loop.index ~ '.'
        ~ reference.field ~ ' is null'
    ) -%}
    {%- do names.append(
        'case when ' ~ missing[-1] ~ ' then ' ~ dbt.string_literal(column) ~ ' end'
    ) -%}
{%- endfor %}

select
    concat_ws(', ', {{ names | join(', ') }}) as missing_references,
    referring.*
from (select * from {{ model }}) as referring
{%- for column, reference in references.items() %}
left join {{ reference.to }} as referred_{{ loop.index }}
    on
        referring.{{ column }} = referred_{{ loop.index }}.{{ reference.field }}
        {%- if reference.within %}
        and referring.{{ reference.within }} = referred_{{ loop.index }}.{{ reference.within }}
        {%- endif %}
{%- endfor %}
where
    ({{ missing | join(')\n    or (') }})

{% endtest %}
