-- The ids with a span or log that is looked at on date $1 or before, and one after it.
SELECT trace_id
FROM (
    SELECT trace_id, date
    FROM spans
    WHERE trace_id IS NOT NULL
    UNION ALL
    SELECT trace_id, date
    FROM logs
    WHERE trace_id IS NOT NULL
) AS seen_rows
GROUP BY trace_id
HAVING min(date) <= $1 AND max(date) > $1
