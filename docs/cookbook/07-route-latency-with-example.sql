-- What is the p99 of each route, and which trace shows it?
WITH ranked AS (
    SELECT
        service_name,
        operation,
        trace_id,
        duration_ms,
        count(*) OVER (PARTITION BY service_name, operation) AS requests,
        percent_rank() OVER (PARTITION BY service_name, operation ORDER BY duration_ms) AS rank
    FROM requests
    WHERE time >= now() - INTERVAL '1 hour' AND http_route IS NOT NULL
)
SELECT service_name, operation, max(requests) AS requests, round(min(duration_ms), 1) AS p99_ms,
    first_value(trace_id ORDER BY duration_ms) AS trace_id
FROM ranked
WHERE rank >= 0.99
GROUP BY service_name, operation
ORDER BY p99_ms DESC
