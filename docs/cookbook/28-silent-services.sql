-- Which services of yesterday say nothing today?
SELECT *
FROM (
    SELECT service_name, max(last_seen) AS last_seen, sum(spans) AS spans, sum(logs) AS logs, sum(points) AS points
    FROM services
    WHERE time >= date_trunc('day', now()) - INTERVAL '2 days'
    GROUP BY service_name
) AS seen
ORDER BY last_seen < now() - INTERVAL '15 minutes' DESC, last_seen
