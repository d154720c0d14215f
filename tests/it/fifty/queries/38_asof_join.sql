-- Each log with the latest point of a metric before it.
SELECT l.time, l.body, m.value, l.time - m.time AS age
FROM (SELECT DISTINCT time, body, service_name FROM logs WHERE body LIKE 'line%' AND attributes['batch'] = 'cold') AS l
ASOF JOIN (SELECT time, service_name, value FROM metrics WHERE metric_name = 'queue.size' AND attributes['batch'] = 'cold') AS m
    MATCH_CONDITION (l.time >= m.time) ON l.service_name = m.service_name
ORDER BY l.time, l.body, l.service_name
