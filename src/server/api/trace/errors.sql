SELECT time, time_nanos, signal, type, message, fingerprint, service_name, span_id, name
FROM error_occurrences
WHERE trace_id = $1
ORDER BY time, time_nanos, signal DESC
