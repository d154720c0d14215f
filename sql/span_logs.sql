-- One row a log record, with the span it was written in.
--
-- Every column of `logs`, then
--   span_name, span_kind, span_status_code, span_service_name   text
--   span_duration_ms                                            double, milliseconds
--   span_time, span_time_nanos                                  the span's start, as spans have it
-- A log belongs to the span with its trace_id and span_id whose time, with an hour of slack on both sides
-- ([query] span_slack), holds the log's time. Of several, one of the log's own service goes first, then the
-- earliest. A log without such a span has NULLs. Logs are never collapsed, duplicate spans count once.
--
-- Cost: bounded by `time` and by `trace_id`, on both sides: spans that start or end within span_slack of the asked
-- time, or run through it, are read, nine columns of them.
SELECT
    l.* EXCEPT (span),
    l.span['name'] AS span_name,
    l.span['kind'] AS span_kind,
    l.span['duration_nano'] / 1e6 AS span_duration_ms,
    l.span['status_code'] AS span_status_code,
    l.span['service_name'] AS span_service_name,
    l.span['time'] AS span_time,
    l.span['time_nanos'] AS span_time_nanos
FROM (
    SELECT logs.*, span_of_log(candidates.spans, logs.service_name, logs.time) AS span
    FROM logs
    LEFT JOIN (
        SELECT
            trace_id,
            span_id,
            array_agg(named_struct(
                'service_name', service_name,
                'time', time,
                'time_nanos', time_nanos,
                'duration_nano', duration_nano,
                'name', name,
                'kind', kind,
                'status_code', status_code
            )) AS spans
        FROM spans
        WHERE
            trace_id IS NOT NULL AND span_id IS NOT NULL
            AND in_asked_span(time, duration_nano, span_slack(), span_slack())
            AND in_asked_trace(trace_id)
        GROUP BY trace_id, span_id
    ) AS candidates
    ON logs.trace_id = candidates.trace_id AND logs.span_id = candidates.span_id
) AS l
