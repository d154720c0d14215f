-- Which operations ask the same thing again and again?
--
-- Spans with three or more equal calls directly below: a loop that should have been one query.
SELECT
    parent.service_name,
    parent.name AS operation,
    calls.name AS call,
    max(calls.times) AS most_times,
    count(*) AS spans,
    max(parent.trace_id) AS trace_id
FROM (
    SELECT trace_id, parent_span_id, name, count(*) AS times
    FROM spans
    WHERE time >= now() - INTERVAL '1 hour' AND kind = 'CLIENT' AND parent_span_id IS NOT NULL
    GROUP BY trace_id, parent_span_id, name
    HAVING count(*) >= 3
) AS calls
JOIN spans AS parent ON parent.trace_id = calls.trace_id AND parent.span_id = calls.parent_span_id
WHERE parent.time >= now() - INTERVAL '2 hours'
GROUP BY parent.service_name, parent.name, calls.name
ORDER BY spans DESC
LIMIT 20
