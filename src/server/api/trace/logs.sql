SELECT
    time, time_nanos, service_name, observed_time, observed_time_nanos, severity_number, severity_text, body, event_name,
    trace_id, span_id, flags, attributes, resource_attributes, scope_attributes, scope_name, scope_version,
    resource_schema_url, scope_schema_url, dropped_attributes_count, resource_dropped_attributes_count,
    scope_dropped_attributes_count, value_types, coalesce(level_name(severity_number), upper(severity_text)) AS level,
    span_service_name, span_time, span_time_nanos
FROM span_logs
WHERE trace_id = $1
ORDER BY time, time_nanos
