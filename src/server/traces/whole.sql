SELECT
    time, time_nanos, service_name, duration_nano, name, kind, status_code, status_message, trace_id, span_id,
    parent_span_id, trace_state, flags, events, links, dropped_events_count, dropped_links_count, attributes,
    resource_attributes, scope_attributes, scope_name, scope_version, resource_schema_url, scope_schema_url,
    dropped_attributes_count, resource_dropped_attributes_count, scope_dropped_attributes_count, value_types
FROM spans
WHERE trace_id IN ({ids})
QUALIFY row_number() OVER (
    PARTITION BY service_name, time, time_nanos, trace_id, span_id ORDER BY duration_nano DESC NULLS LAST
) = 1
ORDER BY time, time_nanos, span_id
