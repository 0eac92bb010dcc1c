{#- By day: newer lists of a day end the windows of those before them. Days are built
    again of which a window was open as of the last build. The length of the window
    counts as code (macros/model_builds.sql). -#}
{{ config(
    materialized='incremental',
    unique_key=['source_name', 'for_date'],
    indexes=[
        {'columns': ['for_date'], 'type': 'brin'},
        {'columns': ['window_ends_at'], 'type': 'brin'},
    ],
    meta={'recommendation_window_days': recommendation_window_days()},
) }}

with

batches as (

    select * from {{ ref('stg_recommendations__batches') }}

),

recommendations as (

    select * from {{ ref('stg_recommendations__recommendations') }}

),

popularity_shadow as (

    select * from {{ ref('stg_recommendations__popularity_shadow') }}

),

listens as (

    select * from {{ ref('fct_listens') }}

),

crawls as (

    select * from {{ ref('base_crawls__committed') }}

),

boundary as (

    select max(boundary_at) as boundary_at
    from crawls

),

-- the first lists of a day count from their cutoff on, later ones from when they
-- were made
begun as (

    select
        source_name,
        for_date,
        model_version,
        data_cutoff_at,
        generated_at,
        case
            when
                row_number() over (
                    partition by source_name, for_date order by generated_at
                ) = 1
                then data_cutoff_at
            else greatest(data_cutoff_at, generated_at)
        end as window_begins_at,
        {{ dbt.dateadd('day', recommendation_window_days(), 'data_cutoff_at') }}
            as last_counted_at
    from batches

),

followed as (

    select
        begun.*,
        lead(begun.window_begins_at) over (
            partition by begun.source_name, begun.for_date order by begun.generated_at
        ) as followed_at
    from begun

),

windows as (

    select
        followed.*,
        followed.followed_at is not null as is_superseded,
        least(
            followed.last_counted_at,
            coalesce(followed.followed_at, followed.last_counted_at)
        ) as window_ends_at
    from followed

),

days as (

    select
        windows.*,
        max(windows.window_ends_at) over (
            partition by windows.source_name, windows.for_date
        ) as day_ends_at
    from windows

),

-- lists that no crawl saw in service led to nothing that anybody could see
open_windows as (

    select
        days.*,
        boundary.boundary_at >= days.window_ends_at as is_window_complete
    from days
    cross join boundary
    where
        (
            not days.is_superseded
            or exists (
                select 1
                from crawls
                where
                    crawls.boundary_at > days.window_begins_at
                    and crawls.boundary_at <= days.window_ends_at
            )
        )
        {% if is_incremental() -%}
        and days.day_ends_at > {{ built_until() }}
        {%- endif %}

),

-- what users listened to of late; not of the import above: read twice, PostgreSQL would
-- write it out, and plan without statistics
recent as (

    select
        source_name,
        user_id,
        track_id
    from {{ ref('fct_listens') }}
    where
        user_id is not null
        and first_observed_at
        > (select min(open_windows.window_begins_at) from open_windows)
    group by source_name, user_id, track_id

),

-- with all listens to the same, of which the first may be older
observed as (

    select
        listens.source_name,
        listens.user_id,
        listens.track_id,
        listens.first_observed_at,
        min(listens.first_observed_at) over (
            partition by listens.source_name, listens.user_id, listens.track_id
        ) as first_heard_at
    from listens
    inner join recent
        on
            listens.source_name = recent.source_name
            and listens.user_id = recent.user_id
            and listens.track_id = recent.track_id

),

-- the crawl of the cutoff itself is what the lists were made from
heard as (

    select
        open_windows.source_name,
        open_windows.for_date,
        open_windows.generated_at,
        observed.user_id,
        observed.track_id,
        case
            when min(observed.first_heard_at) > open_windows.window_begins_at then 1
            else 0
        end as newly_heard
    from open_windows
    inner join observed
        on
            open_windows.source_name = observed.source_name
            and open_windows.window_begins_at < observed.first_observed_at
            and open_windows.window_ends_at >= observed.first_observed_at
    group by
        open_windows.source_name,
        open_windows.for_date,
        open_windows.generated_at,
        open_windows.window_begins_at,
        observed.user_id,
        observed.track_id

),

new_tracks as (

    select
        source_name,
        for_date,
        generated_at,
        user_id,
        sum(newly_heard) as new_track_count
    from heard
    group by source_name, for_date, generated_at, user_id

),

-- both in one, so that they are compared in one pass
listed as (

    select
        source_name,
        for_date,
        generated_at,
        user_id,
        track_id,
        case when rank = 1 then list_source end as list_source,
        model_version,
        1 as recommended,
        case when list_source = 'exploration' then 1 else 0 end as explored,
        -- what a place for exploration may be compared with: seen as seldom
        case when rank > 10 and list_source <> 'exploration' then 1 else 0 end
            as neighboring,
        0 as shadowed
    from recommendations

    union all

    select
        source_name,
        for_date,
        generated_at,
        user_id,
        track_id,
        null as list_source,
        null as model_version,
        0 as recommended,
        0 as explored,
        0 as neighboring,
        1 as shadowed
    from popularity_shadow

),

compared as (

    select
        listed.source_name,
        listed.for_date,
        listed.generated_at,
        listed.user_id,
        max(listed.list_source) as list_source,
        max(listed.model_version) as model_version,
        sum(listed.recommended) as recommended_count,
        sum(case when heard.track_id is not null then listed.recommended else 0 end)
            as converted_count,
        sum(coalesce(heard.newly_heard, 0) * listed.recommended)
            as converted_new_track_count,
        sum(listed.explored) as explored_count,
        sum(case when heard.track_id is not null then listed.explored else 0 end)
            as explored_converted_count,
        sum(listed.neighboring) as neighbor_count,
        sum(case when heard.track_id is not null then listed.neighboring else 0 end)
            as neighbor_converted_count,
        sum(listed.shadowed) as shadow_count,
        sum(case when heard.track_id is not null then listed.shadowed else 0 end)
            as shadow_converted_count
    from listed
    left join heard
        on
            listed.source_name = heard.source_name
            and listed.for_date = heard.for_date
            and listed.generated_at = heard.generated_at
            and listed.user_id = heard.user_id
            and listed.track_id = heard.track_id
    -- joined after grouping: by more keys it took PostgreSQL twice the time
    where listed.for_date in (select open_windows.for_date from open_windows)
    group by
        listed.source_name,
        listed.for_date,
        listed.generated_at,
        listed.user_id

),

final as (

    select
        -- ids
        compared.source_name,
        cast(compared.for_date as date) as for_date,
        compared.user_id,
        -- a canary serves some users of a batch, where it has a say
        coalesce(compared.model_version, open_windows.model_version)
            as model_version,

        -- attributes
        compared.list_source,

        -- measures
        cast(compared.recommended_count as {{ dbt.type_int() }}) as recommended_count,
        cast(compared.converted_count as {{ dbt.type_int() }}) as converted_count,
        cast(compared.converted_new_track_count as {{ dbt.type_int() }})
            as converted_new_track_count,
        cast(compared.explored_count as {{ dbt.type_int() }}) as explored_count,
        cast(compared.explored_converted_count as {{ dbt.type_int() }})
            as explored_converted_count,
        cast(compared.neighbor_count as {{ dbt.type_int() }}) as neighbor_count,
        cast(compared.neighbor_converted_count as {{ dbt.type_int() }})
            as neighbor_converted_count,
        cast(compared.shadow_count as {{ dbt.type_int() }}) as shadow_count,
        cast(compared.shadow_converted_count as {{ dbt.type_int() }})
            as shadow_converted_count,
        cast(coalesce(new_tracks.new_track_count, 0) as {{ dbt.type_int() }})
            as new_track_count,

        -- booleans
        cast(compared.converted_count > 0 as {{ dbt.type_boolean() }}) as is_hit,
        open_windows.is_superseded,
        cast(open_windows.is_window_complete as {{ dbt.type_boolean() }})
            as is_window_complete,

        -- timestamps
        cast(open_windows.data_cutoff_at as {{ dbt.type_timestamp() }})
            as data_cutoff_at,
        cast(open_windows.window_begins_at as {{ dbt.type_timestamp() }})
            as window_begins_at,
        cast(open_windows.window_ends_at as {{ dbt.type_timestamp() }})
            as window_ends_at,
        open_windows.generated_at
    from compared
    inner join open_windows
        on
            compared.source_name = open_windows.source_name
            and compared.for_date = open_windows.for_date
            and compared.generated_at = open_windows.generated_at
    left join new_tracks
        on
            compared.source_name = new_tracks.source_name
            and compared.for_date = new_tracks.for_date
            and compared.generated_at = new_tracks.generated_at
            and compared.user_id = new_tracks.user_id
    where compared.recommended_count > 0

)

select * from final
