SELECT nanos, signal, service_name, span_id, depth, name, level, duration_ms, text
FROM (
    SELECT
        CAST(time AS BIGINT) * 1000 + time_nanos AS nanos,
        'span' AS signal,
        service_name,
        span_id,
        ordinal,
        depth,
        name,
        status_code AS level,
        duration_ms,
        status_message AS text
    FROM trace_tree('{trace_id}')

    UNION ALL

    SELECT
        CAST(time AS BIGINT) * 1000 + time_nanos AS nanos,
        signal,
        service_name,
        span_id,
        NULL AS ordinal,
        NULL AS depth,
        name,
        level,
        NULL AS duration_ms,
        text
    FROM trace_timeline
    WHERE trace_id = '{trace_id}' AND signal <> 'span'
) AS moments
ORDER BY ordinal NULLS LAST, nanos
