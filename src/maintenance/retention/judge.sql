-- One row a trace of the spans and logs that are looked at and that has a row on the dates $1 to $2, as the view `traces`
-- has it. A trace without spans counts none; its time and its logs are those of its logs.
-- $3 and $4 bound the last two characters of its id, so that many traces are judged part by part.
SELECT
    seen.trace_id,
    coalesce(t.time, seen.time) AS time,
    t.duration_ms,
    t.root_service,
    t.root_name,
    coalesce(t.span_count, 0) AS span_count,
    coalesce(t.stored_span_count, 0) AS stored_span_count,
    coalesce(t.error_count, 0) AS error_count,
    t.services,
    seen.log_count,
    seen.error_log_count
FROM (
    SELECT
        trace_id,
        min(time) AS time,
        sum(is_log) AS log_count,
        sum(is_error_log) AS error_log_count
    FROM (
        SELECT trace_id, date, time, 0 AS is_log, 0 AS is_error_log
        FROM spans
        WHERE trace_id IS NOT NULL AND right(trace_id, 2) >= $3 AND right(trace_id, 2) < $4
        UNION ALL
        SELECT trace_id, date, time, 1 AS is_log, CASE WHEN severity_number >= 17 THEN 1 ELSE 0 END AS is_error_log
        FROM logs
        WHERE trace_id IS NOT NULL AND right(trace_id, 2) >= $3 AND right(trace_id, 2) < $4
    ) AS seen_rows
    GROUP BY trace_id
    HAVING max(date) >= $1 AND max(date) <= $2
) AS seen
LEFT JOIN (
    SELECT *
    FROM traces
    WHERE right(trace_id, 2) >= $3 AND right(trace_id, 2) < $4
) AS t
ON t.trace_id = seen.trace_id
