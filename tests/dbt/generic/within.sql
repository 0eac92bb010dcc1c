{#- The value is a number in this range, bounds included; nulls pass. PostgreSQL sorts
    NaN after every number, so it is beyond the highest. -#}
{% test within(model, column_name, lowest, highest) %}

select {{ column_name }}
from {{ model }}
where
    {{ column_name }} < {{ lowest }}
    or {{ column_name }} > {{ highest }}

{% endtest %}
