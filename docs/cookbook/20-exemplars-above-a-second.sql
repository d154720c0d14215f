-- Which requests stand behind the slow buckets of a histogram?
SELECT time, metric_name, service_name, round(1000 * value) AS ms, span_name, root_name, round(root_duration_ms) AS root_ms, trace_id
FROM exemplar_spans
WHERE time >= now() - INTERVAL '1 day' AND unit = 's' AND value > 1
ORDER BY value DESC
LIMIT 20
