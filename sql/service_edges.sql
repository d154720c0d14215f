-- One row a client, a server, a type of connection and a minute in which the one called the other.
--
--   time                          timestamp, start of the minute
--   client, server                text, service names; of what is not instrumented, the name that its peer has for it
--   client_namespace, client_environment, server_namespace, server_environment   text
--   connection_type               text, as in Tempo's service graphs: empty for direct calls, `messaging_system`,
--                                 `database`, `virtual_node` where an end of another sort is known from the other alone
--   calls                         bigint, calls that happened: each stored one counts its adjusted_count
--   errors                        bigint, those with status ERROR at either end
--   p50_ms, p95_ms, p99_ms        double, milliseconds: percentiles of their durations, weighted likewise
--   stored_calls                  bigint, calls stored
-- A call is counted once, though both ends report it:
--   * at the server's end: a row of the view `requests` whose parent is a span of another service, or a CLIENT or
--     PRODUCER span of its own; and each link of a CONSUMER span to such a span, so that a batch of messages is many
--     calls. It belongs to the minute in which the request started, and takes as long as the server says; where the
--     server does not say, as long as the CLIENT span.
--   * from outside: a SERVER span without a parent; its client is `user`.
--   * at the client's end alone: a CLIENT or PRODUCER span that names its peer and has no such child or link, nor a
--     CLIENT or PRODUCER child in its own service (which then is the call). It belongs to the minute in which it
--     started, and takes as long as it says. The server is the peer's service (service.peer.name, peer.service), else
--     `system/database` (the database being db.namespace, db.name, else server.address), else `system/destination` of a
--     message, else server.address.
-- A request whose parent is not stored, and a CLIENT span that names no peer, are no calls. Both ends of a call started
-- within an hour of each other, in any order, so clocks may differ. A duplicate span (equal service_name, time,
-- time_nanos, trace_id and span_id) counts once. A call without an end, or one that ends before it starts, counts, but
-- is in no percentile. Percentiles are approximate (t-digest).
--
-- Cost: bounded by `time`: spans are read nine times, few columns each, six of them an hour wider on both sides; of
-- CLIENT and PRODUCER spans the attributes too. A bound on `server` leaves out files of its requests alone.
WITH
-- Each request with the span that it says it comes from, by its parent or a link.
callees AS (
    SELECT
        time, time_nanos, trace_id, span_id, service_name, service_namespace, deployment_environment_name, kind,
        duration_ms, status_code, adjusted_count, trace_id AS caller_trace_id, parent_span_id AS caller_span_id
    FROM requests
    WHERE in_asked_time(time, INTERVAL '0', INTERVAL '1 minute')

    UNION ALL

    SELECT
        time, time_nanos, trace_id, span_id, service_name, service_namespace, deployment_environment_name, kind,
        duration_ms, status_code, weight AS adjusted_count, link['trace_id'] AS caller_trace_id,
        link['span_id'] AS caller_span_id
    FROM (
        SELECT
            time, time_nanos, trace_id, span_id, service_name, service_namespace, deployment_environment_name, kind,
            duration_nano / 1e6 AS duration_ms, status_code, coalesce(adjusted_count, 1) AS weight,
            unnest(links) AS link
        FROM spans
        WHERE
            kind = 'CONSUMER' AND cardinality(links) > 0
            AND in_asked_time(time, INTERVAL '0', INTERVAL '1 minute')
    ) AS linked
),

served AS (
    SELECT
        callee.time,
        coalesce(min(caller.service_name), 'user') AS client,
        min(caller.service_namespace) AS client_namespace,
        min(caller.deployment_environment_name) AS client_environment,
        callee.service_name AS server,
        min(callee.service_namespace) AS server_namespace,
        min(callee.deployment_environment_name) AS server_environment,
        CASE
            WHEN min(caller.service_name) IS NULL THEN 'virtual_node'
            WHEN min(caller.db_system_name) IS NOT NULL THEN 'database'
            WHEN min(callee.kind) = 'CONSUMER' OR max(caller.kind) = 'PRODUCER' THEN 'messaging_system'
            ELSE ''
        END AS connection_type,
        coalesce(
            max(callee.duration_ms) FILTER (WHERE callee.duration_ms >= 0),
            max(caller.duration_nano) FILTER (WHERE caller.duration_nano >= 0 AND caller.kind = 'CLIENT') / 1e6
        ) AS duration_ms,
        bool_or(
            callee.status_code = 'ERROR'
            -- A parent that is not the call itself may have failed for other reasons.
            OR (caller.status_code = 'ERROR' AND caller.kind IN ('CLIENT', 'PRODUCER'))
        ) AS failed,
        max(callee.adjusted_count) AS adjusted_count
    FROM callees AS callee
    LEFT JOIN (
        SELECT
            trace_id, span_id, service_name, service_namespace, deployment_environment_name, kind, status_code,
            duration_nano, db_system_name, time
        FROM spans
        WHERE in_asked_time(time, INTERVAL '1 hour', INTERVAL '1 hour 1 minute')
    ) AS caller
    ON
        caller.trace_id = callee.caller_trace_id
        AND caller.span_id = callee.caller_span_id
        AND caller.time BETWEEN callee.time - INTERVAL '1 hour' AND callee.time + INTERVAL '1 hour'
        AND (
            caller.service_name <> callee.service_name
            OR (caller.kind IN ('CLIENT', 'PRODUCER') AND callee.kind IN ('SERVER', 'CONSUMER'))
        )
    -- Of requests without a known caller, those that came from outside.
    WHERE caller.service_name IS NOT NULL OR (callee.caller_span_id IS NULL AND callee.kind = 'SERVER')
    GROUP BY
        callee.service_name, callee.time, callee.time_nanos, callee.trace_id, callee.span_id, callee.caller_trace_id,
        callee.caller_span_id
),

-- CLIENT and PRODUCER spans that nothing answers.
unanswered AS (
    SELECT
        sent.time,
        sent.service_name AS client,
        min(sent.service_namespace) AS client_namespace,
        min(sent.deployment_environment_name) AS client_environment,
        min(coalesce(
            sent.attributes['service.peer.name'],
            sent.attributes['peer.service'],
            CASE
                WHEN sent.db_system_name IS NOT NULL THEN concat_ws('/', sent.db_system_name, coalesce(
                    sent.attributes['db.namespace'], sent.attributes['db.name'], sent.server_address
                ))
                WHEN sent.messaging_system IS NOT NULL OR sent.messaging_destination_name IS NOT NULL
                    THEN concat_ws('/', sent.messaging_system, sent.messaging_destination_name)
                ELSE sent.server_address
            END
        )) AS server,
        CASE
            WHEN min(sent.db_system_name) IS NOT NULL THEN 'database'
            WHEN min(sent.kind) = 'PRODUCER' OR min(sent.messaging_system) IS NOT NULL THEN 'messaging_system'
            ELSE 'virtual_node'
        END AS connection_type,
        max(sent.duration_nano) / 1e6 AS duration_ms,
        bool_or(sent.status_code = 'ERROR') AS failed,
        max(coalesce(sent.adjusted_count, 1)) AS adjusted_count
    FROM (
        SELECT *
        FROM spans
        WHERE kind IN ('CLIENT', 'PRODUCER') AND in_asked_time(time, INTERVAL '0', INTERVAL '1 minute')
    ) AS sent
    LEFT ANTI JOIN (
        SELECT trace_id, parent_span_id, service_name, kind, time
        FROM spans
        WHERE parent_span_id IS NOT NULL AND in_asked_time(time, INTERVAL '1 hour', INTERVAL '1 hour 1 minute')
    ) AS child
    ON
        child.trace_id = sent.trace_id
        AND child.parent_span_id = sent.span_id
        AND child.time BETWEEN sent.time - INTERVAL '1 hour' AND sent.time + INTERVAL '1 hour'
        AND (child.service_name <> sent.service_name OR child.kind IN ('SERVER', 'CONSUMER', 'CLIENT', 'PRODUCER'))
    LEFT ANTI JOIN (
        SELECT link['trace_id'] AS trace_id, link['span_id'] AS span_id, time
        FROM (
            SELECT unnest(links) AS link, time
            FROM spans
            WHERE
                kind = 'CONSUMER' AND cardinality(links) > 0
                AND in_asked_time(time, INTERVAL '1 hour', INTERVAL '1 hour 1 minute')
        ) AS consumed
    ) AS linked
    ON
        linked.trace_id = sent.trace_id
        AND linked.span_id = sent.span_id
        AND linked.time BETWEEN sent.time - INTERVAL '1 hour' AND sent.time + INTERVAL '1 hour'
    GROUP BY sent.service_name, sent.time, sent.time_nanos, sent.trace_id, sent.span_id
)

SELECT
    date_trunc('minute', time) AS time,
    client,
    client_namespace,
    client_environment,
    server,
    server_namespace,
    server_environment,
    connection_type,
    CAST(round(sum(adjusted_count)) AS BIGINT) AS calls,
    CAST(round(coalesce(sum(adjusted_count) FILTER (WHERE failed), 0)) AS BIGINT) AS errors,
    approx_percentile_cont_with_weight(adjusted_count, 0.5) WITHIN GROUP (ORDER BY duration_ms)
        FILTER (WHERE duration_ms >= 0) AS p50_ms,
    approx_percentile_cont_with_weight(adjusted_count, 0.95) WITHIN GROUP (ORDER BY duration_ms)
        FILTER (WHERE duration_ms >= 0) AS p95_ms,
    approx_percentile_cont_with_weight(adjusted_count, 0.99) WITHIN GROUP (ORDER BY duration_ms)
        FILTER (WHERE duration_ms >= 0) AS p99_ms,
    count(*) AS stored_calls
FROM (
    SELECT
        time, client, client_namespace, client_environment, server, server_namespace, server_environment,
        connection_type, duration_ms, failed, adjusted_count
    FROM served

    UNION ALL

    SELECT
        time, client, client_namespace, client_environment, server, NULL AS server_namespace,
        NULL AS server_environment, connection_type, duration_ms, failed, adjusted_count
    FROM unanswered
    WHERE server <> ''
) AS calls
GROUP BY
    date_trunc('minute', time), client, client_namespace, client_environment, server, server_namespace,
    server_environment, connection_type
