-- Which operations are slower than a day ago?
SELECT
    service_name,
    operation,
    round(approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms) FILTER (WHERE NOT before), 1) AS p95_ms,
    round(approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms) FILTER (WHERE before), 1) AS p95_ms_yesterday,
    count(*) FILTER (WHERE NOT before) AS requests,
    count(*) FILTER (WHERE before) AS requests_yesterday
FROM (
    SELECT service_name, operation, duration_ms, false AS before
    FROM requests
    WHERE time >= now() - INTERVAL '1 hour'
    UNION ALL
    SELECT service_name, operation, duration_ms, true AS before
    FROM requests
    WHERE time >= now() - INTERVAL '25 hours' AND time < now() - INTERVAL '24 hours'
) AS both_days
GROUP BY service_name, operation
HAVING count(*) FILTER (WHERE NOT before) >= 20 AND count(*) FILTER (WHERE before) >= 20
ORDER BY p95_ms / p95_ms_yesterday DESC
LIMIT 20
