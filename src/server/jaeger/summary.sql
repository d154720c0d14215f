SELECT trace_id, span_id, parent_span_id, service_name, name, status_code, time, time_nanos, duration_nano
FROM spans
WHERE trace_id IN ({ids})
QUALIFY row_number() OVER (
    PARTITION BY service_name, time, time_nanos, trace_id, span_id ORDER BY duration_nano DESC NULLS LAST
) = 1
