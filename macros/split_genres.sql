{#- Free text with genres → the genres, as common table expressions of a model that has
    `genre_aliases` before them; the last, `named`, has one row per genre of a row.

    A comma or a semicolon separates genres. A slash does where each part is a genre of the
    seed: 'Rock/Pop' is two. What the seed has as it stands ('R&B/Soul'), and what has a
    part that it does not know ('Singer/Songwriter'), is one.

    Args: rows, a relation of the model; key, by which its rows are told apart; genres, the
    column with the text. -#}
{% macro split_genres(rows, key, genres) -%}
elements as (

    select
        {{ rows }}.*,
        genre.position as element_position,
        -- blanks around a slash say nothing
        replace(
            replace({{ normalized_text('genre.element') }}, ' /', '/'), '/ ', '/'
        ) as element
    from {{ rows }}
    {{ cross_join_delimited(
        'replace(' ~ rows ~ '.' ~ genres ~ ", ';', ',')", ',', 'genre'
    ) }}

),

parts as (

    select
        elements.*,
        wholes.genre_name as whole_name,
        part.position as part_position,
        nullif(part.element, '') as part,
        part_aliases.genre_name as part_name
    from elements
    left join genre_aliases as wholes
        on elements.element = wholes.alias
    {{ cross_join_delimited('elements.element', '/', 'part') }}
    left join genre_aliases as part_aliases
        on part.element = part_aliases.alias

),

judged as (

    select
        parts.*,
        parts.whole_name is null
        and min(
            case when parts.part is null or parts.part_name is not null then 1 else 0 end
        ) over (
            partition by parts.{{ key }}, parts.element_position
        ) = 1 as is_several
    from parts

),

named as (

    select
        judged.*,
        row_number() over (
            partition by judged.{{ key }}
            order by judged.element_position, judged.part_position
        ) as position,
        case
            when judged.is_several then judged.part_name
            else coalesce(judged.whole_name, judged.element)
        end as genre_name,
        judged.is_several or judged.whole_name is not null as is_listed
    from judged
    where
        (judged.is_several and judged.part is not null)
        or (not judged.is_several and judged.part_position = 1)

),
{%- endmacro %}
