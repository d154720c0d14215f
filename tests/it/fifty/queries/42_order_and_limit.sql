-- NULLs first and last, limit, offset.
SELECT span_id, duration_nano, parent_span_id FROM spans WHERE attributes['batch'] = 'cold'
ORDER BY duration_nano DESC NULLS FIRST, parent_span_id ASC NULLS LAST, span_id, service_name LIMIT 17 OFFSET 3
