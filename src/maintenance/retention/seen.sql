-- The ids of the spans and logs that are looked at whose last date is $1 to $2, with their first and last date.
-- $3 and $4 bound the last two characters of the id, so that many traces are looked at part by part.
SELECT
    trace_id,
    min(date) AS first_date,
    max(date) AS last_date
FROM (
    SELECT trace_id, date
    FROM spans
    WHERE trace_id IS NOT NULL AND right(trace_id, 2) >= $3 AND right(trace_id, 2) < $4
    UNION ALL
    SELECT trace_id, date
    FROM logs
    WHERE trace_id IS NOT NULL AND right(trace_id, 2) >= $3 AND right(trace_id, 2) < $4
) AS seen_rows
GROUP BY trace_id
HAVING max(date) >= $1 AND max(date) <= $2
