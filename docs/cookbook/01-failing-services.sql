-- Which services fail right now?
--
-- The last quarter of an hour, the worst first.
SELECT
    service_name,
    sum(requests) AS requests,
    sum(errors) AS errors,
    round(100.0 * sum(errors) / sum(requests), 2) AS error_percent,
    sum(error_logs) AS error_logs
FROM service_health
WHERE time >= now() - INTERVAL '15 minutes'
GROUP BY service_name
HAVING sum(errors) > 0 OR sum(error_logs) > 0
ORDER BY error_percent DESC NULLS LAST
