-- One row a request: one that a service was asked to serve, or a message it took.
--
--   time, time_nanos             timestamp and smallint, its start
--   trace_id, span_id            text, of its span
--   parent_span_id               text, the caller's span
--   service_name                 text
--   service_namespace            text
--   deployment_environment_name  text
--   service_version              text
--   kind                         text, of its span: SERVER, CONSUMER, or any of an entry span
--   name                         text, of its span
--   operation                    text: method and http_route, else rpc service and method, else the span's name
--   duration_ms                  double, milliseconds; negative where it ends before it starts, NULL without an end
--   status_code                  text, `ERROR` where it failed
--   status_message               text
--   adjusted_count               double, how many requests that happened it stands for
--   http_request_method, http_route, url_path  text
--   http_response_status_code    bigint
--   rpc_service, rpc_method      text
--   messaging_system, messaging_destination_name, error_type  text
-- A request is a SERVER or CONSUMER span. Where a service has neither in a trace within an hour of a span, the span
-- is a request if it entered the service: it has no parent, or no span of the same service and trace within an hour
-- is its parent (nor do its flags say that the parent is local). A duplicate span (equal service_name, time,
-- time_nanos, trace_id and span_id) is here once, as an ERROR if any of its copies is.
--
-- Cost: bounded by `time`, `trace_id` and `service_name`, everywhere; four columns of spans are read an hour wider on
-- both sides of the asked time.
SELECT
    *,
    CASE
        WHEN http_route IS NOT NULL THEN concat_ws(' ', http_request_method, http_route)
        WHEN rpc_method LIKE '%/%' THEN rpc_method
        WHEN rpc_method IS NOT NULL THEN concat_ws('/', rpc_service, rpc_method)
        ELSE name
    END AS operation
FROM (
    SELECT
        time,
        time_nanos,
        trace_id,
        span_id,
        min(parent_span_id) AS parent_span_id,
        service_name,
        min(service_namespace) AS service_namespace,
        min(deployment_environment_name) AS deployment_environment_name,
        min(service_version) AS service_version,
        min(kind) AS kind,
        min(name) AS name,
        max(duration_nano) / 1e6 AS duration_ms,
        -- ERROR comes before OK, OK before UNSET.
        min(status_code) AS status_code,
        min(status_message) AS status_message,
        max(coalesce(adjusted_count, 1)) AS adjusted_count,
        min(http_request_method) AS http_request_method,
        min(http_route) AS http_route,
        min(http_response_status_code) AS http_response_status_code,
        min(url_path) AS url_path,
        min(rpc_service) AS rpc_service,
        min(rpc_method) AS rpc_method,
        min(messaging_system) AS messaging_system,
        min(messaging_destination_name) AS messaging_destination_name,
        min(error_type) AS error_type
    FROM (
        SELECT *
        FROM spans
        WHERE kind IN ('SERVER', 'CONSUMER')

        UNION ALL

        SELECT entry.*
        FROM (
            SELECT *
            FROM spans
            WHERE
                kind NOT IN ('SERVER', 'CONSUMER')
                -- Bit 8: the sender knows where the parent is; bit 9: in another process.
                AND (parent_span_id IS NULL OR flags IS NULL OR flags & 768 <> 256)
        ) AS entry
        LEFT ANTI JOIN (
            SELECT trace_id, service_name, time
            FROM spans
            WHERE
                kind IN ('SERVER', 'CONSUMER') AND in_asked_trace(trace_id)
                AND in_asked_time(time, INTERVAL '1 hour', INTERVAL '1 hour')
        ) AS served
        ON
            served.trace_id = entry.trace_id
            AND served.service_name = entry.service_name
            AND served.time BETWEEN entry.time - INTERVAL '1 hour' AND entry.time + INTERVAL '1 hour'
        LEFT ANTI JOIN (
            SELECT trace_id, service_name, span_id, time
            FROM spans
            WHERE
                kind NOT IN ('SERVER', 'CONSUMER') AND in_asked_trace(trace_id)
                AND in_asked_time(time, INTERVAL '1 hour', INTERVAL '1 hour')
        ) AS parent
        ON
            parent.trace_id = entry.trace_id
            AND parent.service_name = entry.service_name
            AND parent.span_id = entry.parent_span_id
            AND parent.time BETWEEN entry.time - INTERVAL '1 hour' AND entry.time + INTERVAL '1 hour'
    ) AS request_spans
    GROUP BY service_name, time, time_nanos, trace_id, span_id
) AS distinct_requests
