-- One row a trace that has at least one span.
--
--   trace_id           text
--   time               timestamp, start of the earliest span
--   duration_ms        double, from there to the latest end
--   root_service       text, service of the root; where the root is not here, of the earliest span
--   root_name          text, name of the same span
--   span_count         bigint, spans that happened: each stored span counts its adjusted_count
--   stored_span_count  bigint, spans stored
--   error_count        bigint, spans stored with status ERROR
--   services           list of text, the services of its spans, in alphabetical order
--   log_count          bigint, logs stored with its trace_id
--   error_log_count    bigint, those of severity ERROR and above
-- A duplicate span (equal service_name, time, time_nanos, trace_id and span_id) counts once.
--
-- Cost: bounded by `trace_id` and by `time`, for spans and logs. A bound on `time` finds the traces that start then:
-- those of a span then that have none before. Before is a day: three columns of the spans that run in the day before
-- the asked time are read. After is a day too: of what it finds, it counts spans until a day after the asked time, and
-- logs from [query] span_slack before to a day after it. So a trace that is silent for more than a day seems to start
-- where it goes on, and what it does more than a day later is not counted; without a bound on `time` all is.
SELECT
    t.trace_id,
    t.time,
    (t.end_nano - t.start_nano) / 1e6 AS duration_ms,
    t.root_service,
    t.root_name,
    t.span_count,
    t.stored_span_count,
    t.error_count,
    t.services,
    coalesce(l.log_count, 0) AS log_count,
    coalesce(l.error_log_count, 0) AS error_log_count
FROM (
    SELECT
        trace_id,
        min(time) AS time,
        min(start_nano) AS start_nano,
        max(start_nano + greatest(coalesce(duration_nano, 0), 0)) AS end_nano,
        first_value(service_name ORDER BY is_root DESC, start_nano, span_id) AS root_service,
        first_value(name ORDER BY is_root DESC, start_nano, span_id) AS root_name,
        CAST(round(sum(adjusted_count)) AS BIGINT) AS span_count,
        count(*) AS stored_span_count,
        sum(is_error) AS error_count,
        array_sort(array_agg(DISTINCT service_name)) AS services
    FROM (
        SELECT
            trace_id,
            span_id,
            service_name,
            time,
            CAST(time AS BIGINT) * 1000 + time_nanos AS start_nano,
            max(duration_nano) AS duration_nano,
            min(name) AS name,
            max(CASE WHEN parent_span_id IS NULL THEN 1 ELSE 0 END) AS is_root,
            max(CASE WHEN status_code = 'ERROR' THEN 1 ELSE 0 END) AS is_error,
            max(coalesce(adjusted_count, 1)) AS adjusted_count
        FROM spans
        WHERE
            trace_id IS NOT NULL
            AND in_asked_trace(trace_id)
            AND in_asked_time(time, INTERVAL '0', INTERVAL '1 day')
            AND if_time_asked(trace_id IN (
                SELECT trace_id
                FROM spans
                WHERE
                    in_asked_trace(trace_id)
                    AND in_asked_span(time, duration_nano, INTERVAL '1 day', INTERVAL '0')
                GROUP BY trace_id
                HAVING in_asked_time(min(time), INTERVAL '0', INTERVAL '0')
            ))
        GROUP BY trace_id, span_id, service_name, time, time_nanos
    ) AS distinct_spans
    GROUP BY trace_id
) AS t
LEFT JOIN (
    SELECT
        trace_id,
        count(*) AS log_count,
        count(*) FILTER (WHERE severity_number >= 17) AS error_log_count
    FROM logs
    WHERE
        trace_id IS NOT NULL
        AND in_asked_trace(trace_id)
        AND in_asked_time(time, span_slack(), INTERVAL '1 day')
    GROUP BY trace_id
) AS l
ON t.trace_id = l.trace_id
