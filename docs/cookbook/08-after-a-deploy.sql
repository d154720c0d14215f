-- What changed with a deploy?
--
-- The same operation in two versions of a service, where both served it in the last two days.
WITH versions AS (
    SELECT
        service_name,
        operation,
        service_version,
        min(time) AS since,
        count(*) AS requests,
        round(100.0 * count(*) FILTER (WHERE status_code = 'ERROR') / count(*), 2) AS error_percent,
        round(approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms), 1) AS p95_ms
    FROM requests
    WHERE time >= now() - INTERVAL '2 days' AND service_version IS NOT NULL
    GROUP BY service_name, operation, service_version
)
SELECT
    service_name,
    operation,
    service_version,
    since,
    requests,
    error_percent,
    error_percent - lag(error_percent) OVER per_operation AS error_percent_change,
    p95_ms,
    round(p95_ms / lag(p95_ms) OVER per_operation, 2) AS times_slower
FROM versions
WINDOW per_operation AS (PARTITION BY service_name, operation ORDER BY since)
ORDER BY service_name, operation, since
