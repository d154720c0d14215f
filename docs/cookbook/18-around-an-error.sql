-- What did the machine do when the newest errors of payment happened?
--
-- Logs of the same instance five seconds around each, and the latest value of each of its metrics before.
SELECT time, error_text, context, round(offset_ms) AS offset_ms, level, name, coalesce(text, CAST(value AS VARCHAR)) AS value
FROM error_context
WHERE time >= now() - INTERVAL '1 hour' AND service_name = 'payment'
ORDER BY time DESC, trace_id, offset_ms
LIMIT 100
