-- What is wrong with the telemetry itself?
SELECT
    service_name,
    sum(stored_spans) AS spans,
    sum(duplicate_spans) AS duplicates,
    sum(orphan_spans) AS orphans,
    sum(spans_before_parent) AS before_parent,
    round(max(max_before_parent_ms), 1) AS clock_skew_ms,
    sum(logs_of_unknown_span) AS logs_of_unknown_span,
    sum(late_spans + late_logs + late_points) AS late
FROM data_quality
WHERE time >= date_trunc('day', now())
GROUP BY service_name
ORDER BY service_name
