SELECT ordinal, offset_ms, duration_ms, share, span_id, service_name, name
FROM critical_path($1)
ORDER BY ordinal
