-- Which services of yesterday say nothing now?
--
-- Those of the last two days of which nothing came in the last quarter of an hour.
SELECT *
FROM (
    SELECT
        service_name,
        max(last_seen) AS last_seen,
        max(last_seen) < now() - INTERVAL '15 minutes' AS is_silent,
        sum(spans) AS spans,
        sum(logs) AS logs,
        sum(points) AS points
    FROM services
    WHERE time >= date_trunc('day', now()) - INTERVAL '2 days'
    GROUP BY service_name
) AS seen
ORDER BY is_silent DESC, last_seen
