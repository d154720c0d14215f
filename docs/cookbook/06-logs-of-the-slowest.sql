-- What do the slowest one per cent of requests log?
--
-- Warnings and errors in the traces of the slowest hundredth of the last hour's page requests, by pattern.
WITH entered AS (
    SELECT trace_id, duration_ms
    FROM requests
    WHERE time >= now() - INTERVAL '1 hour' AND service_name = 'frontend'
),

slowest AS (
    SELECT trace_id
    FROM entered
    WHERE duration_ms >= (SELECT approx_percentile_cont(0.99) WITHIN GROUP (ORDER BY duration_ms) FROM entered)
)

SELECT l.service_name, level_name(l.severity_number) AS level, message_pattern(l.body) AS pattern, count(*) AS logs
FROM logs AS l
LEFT SEMI JOIN slowest ON slowest.trace_id = l.trace_id
WHERE l.time >= now() - INTERVAL '2 hours' AND l.severity_number >= level_num('WARN')
GROUP BY l.service_name, level_name(l.severity_number), message_pattern(l.body)
ORDER BY logs DESC
LIMIT 20
