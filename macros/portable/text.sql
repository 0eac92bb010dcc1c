{#- A timestamp as text that depends on no setting of the session. -#}
{% macro timestamp_text(expression) -%}
{{ return(adapter.dispatch('timestamp_text', 'listenhouse')(expression)) }}
{%- endmacro %}

{% macro default__timestamp_text(expression) -%}
date_format({{ expression }}, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS")
{%- endmacro %}

{% macro postgres__timestamp_text(expression) -%}
to_char({{ expression }}, 'YYYY-MM-DD"T"HH24:MI:SS.US')
{%- endmacro %}


{#- A timestamp as people read it: 2026-06-01 03:00 UTC. -#}
{% macro minute_text(expression) -%}
{{ return(adapter.dispatch('minute_text', 'listenhouse')(expression)) }}
{%- endmacro %}

{% macro default__minute_text(expression) -%}
date_format({{ expression }}, "yyyy-MM-dd HH:mm 'UTC'")
{%- endmacro %}

{% macro postgres__minute_text(expression) -%}
to_char({{ expression }}, 'YYYY-MM-DD HH24:MI "UTC"')
{%- endmacro %}


{#- Whether the text matches a regular expression (the part that POSIX and Java
    share). -#}
{% macro matches_pattern(expression, pattern) -%}
{{ return(adapter.dispatch('matches_pattern', 'listenhouse')(expression, pattern)) }}
{%- endmacro %}

{% macro default__matches_pattern(expression, pattern) -%}
{{ expression }} rlike '{{ pattern }}'
{%- endmacro %}

{% macro postgres__matches_pattern(expression, pattern) -%}
{{ expression }} ~ '{{ pattern }}'
{%- endmacro %}


{#- Text as it is compared, but for blanks: in one case and one Unicode form (NFKC),
    without what nobody sees. Depends on no collation: a database in Turkish has another
    `lower`. -#}
{% macro folded_text(expression) -%}
{{ return(adapter.dispatch('folded_text', 'listenhouse')(expression)) }}
{%- endmacro %}

{% macro default__folded_text(expression) -%}
{#- ICU comes with Spark, and SQL has no function for a Unicode form; it knows no null -#}
{%- set normalizer = "'com.ibm.icu.text.Normalizer'" -%}
case
    when {{ expression }} is null or octet_length({{ expression }}) = char_length({{ expression }})
        then lower({{ expression }})
    else
        java_method(
            {{ normalizer }}, 'compose',
            replace(
                translate(
                    java_method({{ normalizer }}, 'decompose', {{ expression }}, true),
                    '{{ "ABCDEFGHIJKLMNOPQRSTUVWXYZ" ~ upper_letters() ~ invisible_characters() }}',
                    '{{ "abcdefghijklmnopqrstuvwxyz" ~ lower_letters() }}'
                ),
                '{{ "i\u0307" }}', 'i'
            ),
            false
        )
end
{%- endmacro %}

{% macro postgres__folded_text(expression) -%}
case
    -- nothing but ASCII, for which the list is too long to be gone through
    when octet_length({{ expression }}) = char_length({{ expression }})
        then lower({{ expression }} collate "C")
    else
        normalize(
            replace(
                translate(
                    lower(normalize({{ expression }}, nfkd) collate "C"),
                    '{{ upper_letters() }}{{ invisible_characters() }}',
                    '{{ lower_letters() }}'
                ),
                '{{ "i\u0307" }}', 'i'
            ),
            nfc
        )
end collate "default"
{%- endmacro %}


{#- The letters beside ASCII that have another case, as taken apart: letters with accents are such
    without and the rest of the letters, of the alphabets that most names are written in, are few. -#}
{% macro upper_letters() -%}
{{ return(
    'ÆÐØÞĐĦŁŊŒŦƁƂƄƆƇƉƊƋƎƏƐƑƓƔƖƗƘƜƝƟƢƤƦƧƩƬƮƱƲƳƵƷƸƼǤǶǷȜȠȢȤȺȻȽȾɁɃɄɅɆ'
    ~ 'ɈɊɌɎͰͲͶͿΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩϏϘϚϜϞϠϢϤϦϨϪϬϮϷϺϽϾϿЂЄЅІЈЉЊЋЏА'
    ~ 'БВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮѰѲѴѸѺѼѾҀҊҌҎҐҒҔҖҘҚҜҞҠҢҤ'
    ~ 'ҦҨҪҬҮҰҲҴҶҸҺҼҾӀӃӅӇӉӋӍӔӘӠӨӶӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸ'
    ~ 'ԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖẞς'
) }}
{%- endmacro %}

{#- The same in lower case, one for one. -#}
{% macro lower_letters() -%}
{{ return(
    'æðøþđħłŋœŧɓƃƅɔƈɖɗƌǝəɛƒɠɣɩɨƙɯɲɵƣƥʀƨʃƭʈʊʋƴƶʒƹƽǥƕƿȝƞȣȥⱥȼƚⱦɂƀʉʌɇ'
    ~ 'ɉɋɍɏͱͳͷϳαβγδεζηθικλμνξοπρστυφχψωϗϙϛϝϟϡϣϥϧϩϫϭϯϸϻͻͼͽђєѕіјљњћџа'
    ~ 'бвгдежзиклмнопрстуфхцчшщъыьэюяѡѣѥѧѩѫѭѯѱѳѵѹѻѽѿҁҋҍҏґғҕҗҙқҝҟҡңҥ'
    ~ 'ҧҩҫҭүұҳҵҷҹһҽҿӏӄӆӈӊӌӎӕәӡөӷӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯաբգդեզէը'
    ~ 'թժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆßσ'
) }}
{%- endmacro %}


{#- Characters that have no width: soft hyphens, joiners, directions, fillers, byte-order
    marks, variants of emoji. -#}
{% macro invisible_characters() -%}
{{ "\u00ad\u034f\u061c\u115f\u1160\u180e"
   ~ "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
   ~ "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u206a\u206b\u206c\u206d\u206e\u206f"
   ~ "\u3164\ufe0e\ufe0f\ufeff\uffa0" }}
{%- endmacro %}


{#- Every run of white space, as Unicode has it, as one space. -#}
{% macro collapse_whitespace(expression) -%}
{{ return(adapter.dispatch('collapse_whitespace', 'listenhouse')(expression)) }}
{%- endmacro %}

{% macro default__collapse_whitespace(expression) -%}
regexp_replace({{ expression }}, '[{{ white_space() }}]+', ' ')
{%- endmacro %}

{% macro postgres__collapse_whitespace(expression) -%}
regexp_replace({{ expression }}, '[{{ white_space() }}]+', ' ', 'g')
{%- endmacro %}

{#- As it stands between the brackets of a regular expression; [:space:] would be the
    locale's. -#}
{% macro white_space() -%}
{{ "\\u0009-\\u000d\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000" }}
{%- endmacro %}


{#- Text that is ordered by its bytes: locales have orders of their own. -#}
{% macro in_byte_order(expression) -%}
{{ return(adapter.dispatch('in_byte_order', 'listenhouse')(expression)) }}
{%- endmacro %}

{% macro default__in_byte_order(expression) -%}
{{ expression }}
{%- endmacro %}

{% macro postgres__in_byte_order(expression) -%}
{{ expression }} collate "C"
{%- endmacro %}
