-- One row an event of a span: an exception, a message, what the instrumentation noted.
--
--   time                         timestamp, when it happened
--   time_nanos                   smallint, nanoseconds past `time`
--   name                         text, of the event: `exception`, ...
--   attributes                   map, the event's own
--   trace_id, span_id            text, the span it happened in
--   span_name                    text
--   span_time, span_time_nanos   the span's start
--   offset_ms                    double, milliseconds from the span's start; negative where clocks differ
--   service_name, service_namespace, deployment_environment_name  text
--   value_types                  text, as in the tables
--   dropped_attributes_count     bigint, attributes of the event that the sender dropped, NULL for zero
-- A duplicate span (equal service_name, time, time_nanos, trace_id and span_id) is here once, with its events.
--
-- Cost: bounded by `trace_id` and by `time`. Events are looked for in spans that start or end within [query]
-- span_slack of the asked time, or run through it; an event that says it was farther from its span is found without
-- a bound on `time`, or with one on `span_time`.
SELECT
    event['time'] AS time,
    event['time_nanos'] AS time_nanos,
    event['name'] AS name,
    event['attributes'] AS attributes,
    trace_id,
    span_id,
    span_name,
    span_time,
    span_time_nanos,
    (CAST(event['time'] AS BIGINT) - CAST(span_time AS BIGINT)) / 1e3
        + (event['time_nanos'] - span_time_nanos) / 1e6 AS offset_ms,
    service_name,
    service_namespace,
    deployment_environment_name,
    event['value_types'] AS value_types,
    event['dropped_attributes_count'] AS dropped_attributes_count
FROM (
    SELECT * EXCEPT (events), unnest(events) AS event
    FROM (
        SELECT
            service_name,
            time AS span_time,
            time_nanos AS span_time_nanos,
            trace_id,
            span_id,
            name AS span_name,
            service_namespace,
            deployment_environment_name,
            events
        FROM spans
        WHERE
            cardinality(events) > 0
            AND in_asked_span(time, duration_nano, span_slack(), span_slack())
            AND in_asked_trace(trace_id)
        QUALIFY row_number() OVER (PARTITION BY service_name, time, time_nanos, trace_id, span_id) = 1
    ) AS spans_with_events
) AS unnested
