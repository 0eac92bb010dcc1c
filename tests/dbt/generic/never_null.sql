{#- None of these columns is null: one query where a test for each column would be many. -#}
{% test never_null(model, columns) %}

select {{ columns | join(', ') }}
from {{ model }}
where
    {{ columns | join(' is null\n    or ') }} is null

{% endtest %}
