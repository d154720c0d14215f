-- Which service failed first?
--
-- In an incident many fail; the one whose error rate left its usual first is the place to begin. Its usual is the share of
-- the day before that failed; a minute counts with three errors and three times that.
WITH minutes AS (
    SELECT service_name, time, sum(requests) AS requests, sum(errors) AS errors
    FROM red
    WHERE time >= now() - INTERVAL '1 day'
    GROUP BY service_name, time
),

usual AS (
    SELECT service_name, sum(errors) / sum(requests) AS error_rate
    FROM minutes
    WHERE time < now() - INTERVAL '1 hour'
    GROUP BY service_name
)

SELECT
    m.service_name,
    min(m.time) AS broke_at,
    max(m.errors) AS worst_minute,
    round(100 * max(m.errors / m.requests), 1) AS worst_percent,
    round(100 * max(u.error_rate), 2) AS usual_percent
FROM minutes AS m
LEFT JOIN usual AS u ON u.service_name = m.service_name
WHERE m.time >= now() - INTERVAL '1 hour' AND m.errors >= 3 AND m.errors / m.requests > 3 * coalesce(u.error_rate, 0)
GROUP BY m.service_name
ORDER BY broke_at, worst_percent DESC
