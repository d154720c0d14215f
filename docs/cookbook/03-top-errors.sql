-- What goes wrong most often, and a trace of each to open?
--
-- One failure is an error in each span that it passed through: look for the one whose trace_tree has no error below. Where
-- spans carry no status, as some do, ask for signal = 'log'.
SELECT service_name, type, message, sum(count) AS count, max(last_seen) AS last_seen, max(trace_id) AS trace_id
FROM errors
WHERE time >= now() - INTERVAL '1 day' AND signal = 'span'
GROUP BY service_name, type, message
ORDER BY count DESC
LIMIT 20
