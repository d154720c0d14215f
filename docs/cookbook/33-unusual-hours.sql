-- In which hours did a service log more errors than it does by day and night?
--
-- More than three standard deviations above the mean of its week.
WITH hours AS (
    SELECT service_name, time_bucket('1 hour', time) AS hour, count(*) AS errors
    FROM logs
    WHERE time >= now() - INTERVAL '7 days' AND severity_number >= level_num('ERROR')
    GROUP BY service_name, time_bucket('1 hour', time)
),

compared AS (
    SELECT *, avg(errors) OVER per_service AS mean, stddev(errors) OVER per_service AS deviation
    FROM hours
    WINDOW per_service AS (PARTITION BY service_name)
)

SELECT service_name, hour, errors, round(mean, 1) AS mean, round((errors - mean) / nullif(deviation, 0), 1) AS deviations
FROM compared
ORDER BY deviations DESC NULLS LAST
LIMIT 20
