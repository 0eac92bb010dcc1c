{#- Days after its data cutoff in which a listen counts for a list: 1 to 30. -#}
{% macro recommendation_window_days() -%}
    {%- set text = var('recommendation_window_days') | string -%}
    {%- if not modules.re.match('^[0-9]{1,2}$', text) or not 1 <= text | int <= 30 -%}
        {{ exceptions.raise_compiler_error(
            "recommendation_window_days is '" ~ text ~ "'; it must be a whole number of days"
            ~ " from 1 to 30."
        ) }}
    {%- endif -%}
    {{ return(text | int) }}
{%- endmacro %}

{#- Aggregates over users, of how much more of the list than of popularity's each listened to:
    the mean, and the ends of its 95 % interval by the normal approximation. One user alone
    has no interval. To six decimals: no mean depends on the order of rows. -#}
{% macro lift_with_interval(difference) -%}
{{ rounded('avg(' ~ difference ~ ')') }} as lift,
        {%- for name, sign in [('lift_lower', '-'), ('lift_upper', '+')] %}
        {{ rounded(
            'avg(' ~ difference ~ ') ' ~ sign ~ ' 1.96 * stddev_samp(' ~ difference
            ~ ') / sqrt(count(' ~ difference ~ '))'
        ) }} as {{ name }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
{%- endmacro %}

{#- Aggregate over the lists that a user had for one day, one after another: what share of
    the places the user listened to. The lists took each other's place, so places are not
    added up, and one day with two lists weighs as much as one with one. -#}
{% macro share_of_lists(converted_count, track_count) -%}
1.0 * sum({{ converted_count }}) / nullif(avg(1.0 * {{ track_count }}), 0)
{%- endmacro %}
