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
-- Cost: meant to be bounded by `trace_id`; exemplars have theirs inside, so they are looked for in every metric
-- point that `time` leaves.
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
    FROM (
        SELECT
            trace_id,
            time,
            time_nanos,
            service_name,
            span_id,
            first_value(parent_span_id) AS parent_span_id,
            first_value(name) AS name,
            first_value(status_code) AS status_code,
            first_value(duration_nano) AS duration_nano,
            first_value(status_message) AS status_message,
            first_value(attributes) AS attributes
        FROM spans
        WHERE trace_id IS NOT NULL
        GROUP BY trace_id, time, time_nanos, service_name, span_id
    ) AS distinct_spans

    UNION ALL

    SELECT
        trace_id,
        event['time'] AS time,
        event['time_nanos'] AS time_nanos,
        'event' AS signal,
        service_name,
        span_id,
        NULL AS parent_span_id,
        event['name'] AS name,
        NULL AS level,
        NULL AS duration_ms,
        event['attributes']['exception.message'] AS text,
        event['attributes'] AS attributes
    FROM (
        SELECT trace_id, service_name, span_id, unnest(events) AS event
        FROM (
            SELECT trace_id, service_name, span_id, first_value(events) AS events
            FROM spans
            WHERE trace_id IS NOT NULL AND cardinality(events) > 0
            GROUP BY trace_id, time, time_nanos, service_name, span_id
        ) AS spans_with_events
    ) AS span_events

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
        exemplar['trace_id'] AS trace_id,
        exemplar['time'] AS time,
        exemplar['time_nanos'] AS time_nanos,
        'exemplar' AS signal,
        service_name,
        exemplar['span_id'] AS span_id,
        NULL AS parent_span_id,
        metric_name AS name,
        NULL AS level,
        NULL AS duration_ms,
        concat_ws(' ', CAST(exemplar['value'] AS VARCHAR), unit) AS text,
        exemplar['attributes'] AS attributes
    FROM (
        SELECT metric_name, unit, service_name, unnest(exemplars) AS exemplar
        FROM metrics
        WHERE cardinality(exemplars) > 0
    ) AS metric_exemplars
    WHERE exemplar['trace_id'] IS NOT NULL
) AS timeline
ORDER BY time, time_nanos
