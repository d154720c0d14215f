-- One row an exemplar that names a trace, with the span it was measured in and the root span of that trace.
--
-- Every column of `exemplars`, then
--   span_name, span_kind, span_status_code, span_service_name  text
--   span_time                                                  timestamp, the span's start
--   span_duration_ms                                           double, milliseconds
--   root_span_id, root_name, root_service_name, root_status_code  text
--   root_time                                                  timestamp, the root's start
--   root_duration_ms                                           double, milliseconds
-- As with logs, an exemplar belongs to the span with its trace_id and span_id whose time, with [query] span_slack on
-- both sides, holds the exemplar's; of several, one of its own service goes first, then the earliest. The root is the
-- span of the trace without a parent whose time holds it likewise, of several the earliest. What is not here is NULL.
-- Duplicate spans count once.
--
-- Cost: that of `exemplars`, read three times, and of the spans that start or end within span_slack of the asked time,
-- or run through it. A bound on `trace_id` bounds both sides.
WITH
-- The side of the joins to keep in memory, so it goes first.
sampled AS (
    SELECT trace_id
    FROM exemplars
    WHERE
        trace_id IS NOT NULL
        AND in_asked_time(time, INTERVAL '0', INTERVAL '0')
        AND in_asked_trace(trace_id)
    GROUP BY trace_id
)

SELECT
    m.* EXCEPT (span, root),
    m.span['name'] AS span_name,
    m.span['kind'] AS span_kind,
    m.span['status_code'] AS span_status_code,
    m.span['service_name'] AS span_service_name,
    m.span['time'] AS span_time,
    m.span['duration_nano'] / 1e6 AS span_duration_ms,
    m.root['span_id'] AS root_span_id,
    m.root['name'] AS root_name,
    m.root['service_name'] AS root_service_name,
    m.root['status_code'] AS root_status_code,
    m.root['time'] AS root_time,
    m.root['duration_nano'] / 1e6 AS root_duration_ms
FROM (
    SELECT
        e.*,
        span_of_log(own.spans, e.service_name, e.time) AS span,
        -- No service: the earliest, whosever it is.
        span_of_log(roots.spans, CAST(NULL AS VARCHAR), e.time) AS root
    FROM (SELECT * FROM exemplars WHERE trace_id IS NOT NULL) AS e
    LEFT JOIN (
        SELECT
            spans.trace_id,
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
        FROM sampled
        JOIN spans ON spans.trace_id = sampled.trace_id
        WHERE
            span_id IS NOT NULL
            AND in_asked_span(time, duration_nano, span_slack(), span_slack())
            AND in_asked_trace(spans.trace_id)
        GROUP BY spans.trace_id, span_id
    ) AS own
    ON e.trace_id = own.trace_id AND e.span_id = own.span_id
    LEFT JOIN (
        SELECT
            spans.trace_id,
            array_agg(named_struct(
                'service_name', service_name,
                'time', time,
                'time_nanos', time_nanos,
                'duration_nano', duration_nano,
                'span_id', span_id,
                'name', name,
                'status_code', status_code
            )) AS spans
        FROM sampled
        JOIN spans ON spans.trace_id = sampled.trace_id
        WHERE
            parent_span_id IS NULL
            AND in_asked_span(time, duration_nano, span_slack(), span_slack())
            AND in_asked_trace(spans.trace_id)
        GROUP BY spans.trace_id
    ) AS roots
    ON e.trace_id = roots.trace_id
) AS m
