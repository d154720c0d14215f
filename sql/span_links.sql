-- One row a link of a span to another span: of a consumer to what was produced, of a batch to its parts.
--
--   time, time_nanos             the start of the span that has the link
--   trace_id, span_id            text, that span
--   span_name                    text
--   linked_trace_id              text, the trace it points to, NULL where the sender's id was none
--   linked_span_id               text, the span it points to, likewise
--   linked_trace_state           text, the trace_state sent with the link
--   flags                        bigint, W3C trace flags of the link
--   attributes                   map, the link's own
--   service_name, service_namespace, deployment_environment_name  text, of the span that has the link
--   value_types                  text, as in the tables
--   dropped_attributes_count     bigint, attributes of the link that the sender dropped, NULL for zero
-- A duplicate span (equal service_name, time, time_nanos, trace_id and span_id) is here once, with its links.
--
-- Cost: bounded by `time`, `trace_id` and `service_name`. A bound on `linked_trace_id` reads every span's links that
-- these leave.
SELECT
    time,
    time_nanos,
    trace_id,
    span_id,
    span_name,
    link['trace_id'] AS linked_trace_id,
    link['span_id'] AS linked_span_id,
    link['trace_state'] AS linked_trace_state,
    link['flags'] AS flags,
    link['attributes'] AS attributes,
    service_name,
    service_namespace,
    deployment_environment_name,
    link['value_types'] AS value_types,
    link['dropped_attributes_count'] AS dropped_attributes_count
FROM (
    SELECT * EXCEPT (links), unnest(links) AS link
    FROM (
        SELECT
            service_name,
            time,
            time_nanos,
            trace_id,
            span_id,
            name AS span_name,
            service_namespace,
            deployment_environment_name,
            links
        FROM spans
        WHERE
            cardinality(links) > 0
            AND in_asked_time(time, INTERVAL '0', INTERVAL '0')
            AND in_asked_trace(trace_id)
        QUALIFY row_number() OVER (PARTITION BY service_name, time, time_nanos, trace_id, span_id) = 1
    ) AS spans_with_links
) AS unnested
