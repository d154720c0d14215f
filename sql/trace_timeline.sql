-- One row a thing that happened in a trace, in order: its spans, span events, logs and exemplars.
--
-- A query of this view that sorts, groups and joins nothing comes in the order of time and time_nanos.
--
--   trace_id        text
--   time            timestamp
--   time_nanos      smallint, nanoseconds past `time`
--   signal          text, `span`, `event`, `log` or `exemplar`
--   service_name    text
--   span_id         text, the span itself, or the one it happened in
--   parent_span_id  text, of spans only
--   name            text, of the span, the event or the metric; of a log its event name
--   level           text, a span's status_code, a log's severity: TRACE, DEBUG, INFO, WARN, ERROR or FATAL
--   duration_ms     double, of spans only
--   text            text, a span's status message, an event's exception message, a log's body, an exemplar's value
--   attributes      map, the thing's own
-- A duplicate span (equal service_name, time, time_nanos, trace_id and span_id) is here once, with its events.
--
-- An exemplar that several points of a series report is here once.
--
-- Cost: bounded by `trace_id` and by `time`. Events are looked for in spans, and exemplars in metric points, within
-- [query] span_slack of the asked time. Exemplars have their trace inside: a bound on `trace_id` leaves out the
-- points that have none of it, after they are read.
SELECT trace_id, time, time_nanos, signal, service_name, span_id, parent_span_id, name, level, duration_ms, text, attributes
FROM (
    SELECT
        trace_id,
        time,
        time_nanos,
        'span' AS signal,
        service_name,
        span_id,
        parent_span_id,
        name,
        status_code AS level,
        duration_nano / 1e6 AS duration_ms,
        status_message AS text,
        attributes
    FROM spans
    WHERE trace_id IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY service_name, time, time_nanos, trace_id, span_id) = 1

    UNION ALL

    SELECT
        trace_id,
        time,
        time_nanos,
        'event' AS signal,
        service_name,
        span_id,
        NULL AS parent_span_id,
        name,
        NULL AS level,
        NULL AS duration_ms,
        attributes['exception.message'] AS text,
        attributes
    FROM span_events
    WHERE trace_id IS NOT NULL

    UNION ALL

    SELECT
        trace_id,
        time,
        time_nanos,
        'log' AS signal,
        service_name,
        span_id,
        NULL AS parent_span_id,
        event_name AS name,
        coalesce(level_name(severity_number), upper(severity_text)) AS level,
        NULL AS duration_ms,
        body AS text,
        attributes
    FROM logs
    WHERE trace_id IS NOT NULL

    UNION ALL

    SELECT
        trace_id,
        time,
        time_nanos,
        'exemplar' AS signal,
        service_name,
        span_id,
        NULL AS parent_span_id,
        metric_name AS name,
        NULL AS level,
        NULL AS duration_ms,
        concat_ws(' ', CAST(value AS VARCHAR), unit) AS text,
        attributes
    FROM exemplars
    WHERE trace_id IS NOT NULL
) AS timeline
ORDER BY time, time_nanos
