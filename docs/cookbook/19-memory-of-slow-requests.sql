-- Do slow requests come from instances that are short of memory?
--
-- Each request of the last hour with its instance's memory at that moment.
SELECT
    r.duration_ms >= 500 AS slow,
    count(*) AS requests,
    round(avg(m.value) / 1048576, 1) AS mean_megabytes,
    round(max(m.value) / 1048576, 1) AS most_megabytes
FROM (
    SELECT time, service_name, service_instance_id, duration_nano / 1e6 AS duration_ms
    FROM spans
    WHERE time >= now() - INTERVAL '1 hour' AND kind = 'SERVER'
) AS r
ASOF JOIN (
    SELECT time, service_name, service_instance_id, value
    FROM metrics
    WHERE metric_name = 'process.memory.usage'
) AS m
MATCH_CONDITION (r.time >= m.time AND m.time >= r.time - INTERVAL '2 minutes')
ON r.service_name = m.service_name AND r.service_instance_id = m.service_instance_id
GROUP BY r.duration_ms >= 500
ORDER BY slow DESC
