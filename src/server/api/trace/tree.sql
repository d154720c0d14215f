SELECT
    s.time, s.time_nanos, s.service_name, s.duration_nano, s.name, s.kind, s.status_code, s.status_message, s.trace_id,
    s.span_id, s.parent_span_id, s.trace_state, s.flags, s.events, s.links, s.dropped_events_count,
    s.dropped_links_count, s.attributes, s.resource_attributes, s.scope_attributes, s.scope_name, s.scope_version,
    s.resource_schema_url, s.scope_schema_url, s.dropped_attributes_count, s.resource_dropped_attributes_count,
    s.scope_dropped_attributes_count, s.value_types, s.adjusted_count, t.ordinal AS tree_ordinal,
    t.depth AS tree_depth, t.orphan AS tree_orphan, t.offset_ms AS tree_offset_ms, t.duration_ms AS tree_duration_ms,
    t.self_ms AS tree_self_ms, t.share AS tree_share, t.subtree_errors AS tree_subtree_errors,
    t.child_count AS tree_child_count
FROM trace_tree($1) AS t
JOIN (
    SELECT *
    FROM spans
    WHERE trace_id = $1
    QUALIFY row_number() OVER (
        PARTITION BY service_name, time, time_nanos, trace_id, span_id ORDER BY duration_nano DESC NULLS LAST
    ) = 1
) AS s
ON
    s.service_name = t.service_name
    AND s.time = t.time
    AND s.time_nanos = t.time_nanos
    AND s.span_id IS NOT DISTINCT FROM t.span_id
ORDER BY tree_ordinal
