-- What did the machine do when the newest errors happened?
--
-- Logs of the same instance five seconds around each, and the latest value of each of its metrics before.
SELECT
    time,
    service_name,
    error_text,
    context,
    round(offset_ms) AS offset_ms,
    level,
    name,
    coalesce(text, CAST(value AS VARCHAR)) AS value
FROM error_context
WHERE time >= now() - INTERVAL '15 minutes' AND error = 'span'
ORDER BY time DESC, span_id, offset_ms
LIMIT 100
