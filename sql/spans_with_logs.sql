-- One row a span, with what was logged in it.
--
-- Every column of `spans` but duration_nano, then
--   duration_ms       double, milliseconds; NULL without an end, negative where it ends before it starts
--   log_count         bigint, logs stored that belong to it
--   error_log_count   bigint, those of severity ERROR and above
--   first_error_body  text, the body of the earliest of these
-- A log belongs to a span by the rule of `span_logs`. A duplicate span (equal service_name, time, time_nanos, trace_id
-- and span_id) is here once.
--
-- Cost: bounded by `time`, `trace_id` and `service_name`; other bounds are applied after the logs are counted. A bound
-- on `time` finds the spans that start then; their logs are read from [query] span_slack before it to a day after it,
-- and what a longer span logs later is not counted. Name the columns: each is sorted.
SELECT
    s.* EXCEPT (duration_nano),
    s.duration_nano / 1e6 AS duration_ms,
    coalesce(l.log_count, 0) AS log_count,
    coalesce(l.error_log_count, 0) AS error_log_count,
    l.first_error_body
FROM (
    SELECT *
    FROM spans
    WHERE in_asked_time(time, INTERVAL '0', INTERVAL '0') AND in_asked_trace(trace_id)
    QUALIFY row_number() OVER (PARTITION BY service_name, time, time_nanos, trace_id, span_id) = 1
) AS s
LEFT JOIN (
    SELECT
        trace_id,
        span_id,
        span_service_name,
        span_time,
        span_time_nanos,
        count(*) AS log_count,
        count(*) FILTER (WHERE severity_number >= 17) AS error_log_count,
        first_value(body ORDER BY time, time_nanos) FILTER (WHERE severity_number >= 17) AS first_error_body
    FROM span_logs
    WHERE
        span_time IS NOT NULL
        AND in_asked_time(time, span_slack(), INTERVAL '1 day')
        AND in_asked_trace(trace_id)
    GROUP BY trace_id, span_id, span_service_name, span_time, span_time_nanos
) AS l
ON
    s.trace_id = l.trace_id
    AND s.span_id = l.span_id
    AND s.service_name = l.span_service_name
    AND s.time = l.span_time
    AND s.time_nanos = l.span_time_nanos
