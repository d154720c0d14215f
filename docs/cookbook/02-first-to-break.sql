-- Which service failed first?
--
-- In an incident many fail; the one whose error rate left its usual first is the place to begin.
WITH minutes AS (
    SELECT service_name, time, requests, errors, avg(errors) OVER (PARTITION BY service_name) AS usual
    FROM service_health
    WHERE time >= now() - INTERVAL '1 hour' AND requests > 0
)
SELECT service_name, min(time) AS broke_at, max(errors) AS worst_minute, round(max(usual), 2) AS usual_errors
FROM minutes
WHERE errors > 2 * usual AND errors >= 2
GROUP BY service_name
ORDER BY broke_at
