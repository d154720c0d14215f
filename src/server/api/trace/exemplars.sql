SELECT metric_name, metric_type, unit, time, time_nanos, value, span_id, service_name, attributes
FROM exemplars
WHERE trace_id = $1
ORDER BY time, time_nanos, metric_name
