SELECT
    CAST(time AS BIGINT) * 1000 + time_nanos AS nanos,
    signal, service_name, span_id, parent_span_id, name, level, duration_ms, text
FROM trace_timeline
WHERE trace_id = '{trace_id}'
ORDER BY time, time_nanos
