-- One row a service, namespace, environment and day (UTC) on which it sent anything: what is wrong with what it sent.
--
--   time                             timestamp, start of the day
--   service_name                     text
--   service_namespace                text
--   deployment_environment_name      text
--   stored_spans, stored_logs, stored_points          bigint, rows of that day; all below count rows too
--   lacks_spans, lacks_logs, lacks_metrics            boolean, none of that day
--   duplicate_spans                  bigint, spans that equal another in service_name, time, time_nanos, trace_id and
--                                    span_id, but for one of each
--   orphan_spans                     bigint, distinct spans whose parent is not in the trace
--   spans_without_ids                bigint, trace_id or span_id NULL
--   spans_without_end                bigint, duration_nano NULL
--   negative_spans                   bigint, those that end before they start
--   spans_before_parent              bigint, distinct spans that start before their parent does: clocks that differ
--   max_before_parent_ms             double, milliseconds, by how much at most
--   spans_past_parent                bigint, distinct spans that end after their parent: clocks, or work that goes on
--   max_past_parent_ms               double, milliseconds, by how much at most
--   equal_logs                       bigint, logs that equal another in service, time, ids, severity, event, body,
--                                    attributes and resource, but for one of each
--   logs_without_ids                 bigint, trace_id or span_id NULL
--   logs_of_unknown_trace            bigint, with a trace_id of which no span is known
--   logs_of_unknown_span             bigint, with ids of which no span is known
--   late_spans, late_logs, late_points                bigint, stored more than an hour after their `time`
-- A parent is looked for among the spans that began in the day before its child or the hour after; of several spans
-- with its id, the one that fits best counts. A log's span and trace are looked for among the spans that began in the
-- clock hour of the log, the 24 before or the one after.
--
-- Cost: bounded by `time`, in whole days: a few columns of a day's spans are read five times and of the days before and
-- after three times, a day's logs four times, one of them with all their attributes, its points once. The ids of
-- those days' spans are held in memory, which hash joins don't spill: ask for a day at a time. A bound on
-- `service_name` leaves out files, but not of the spans that parents and logs are looked for among.
WITH
children AS (
    SELECT
        date_trunc('day', child.time) AS time,
        child.service_name,
        min(child.service_namespace) AS service_namespace,
        min(child.deployment_environment_name) AS deployment_environment_name,
        count(parent.span_id) AS parents,
        min(parent.start_nano - CAST(child.time AS BIGINT) * 1000 - child.time_nanos) AS before_nano,
        min(CAST(child.time AS BIGINT) * 1000 + child.time_nanos + child.duration_nano - parent.end_nano) AS past_nano
    FROM (
        SELECT *
        FROM spans
        WHERE parent_span_id IS NOT NULL AND in_asked_time(date, INTERVAL '0', INTERVAL '0')
    ) AS child
    LEFT JOIN (
        SELECT
            trace_id,
            span_id,
            time,
            CAST(time AS BIGINT) * 1000 + time_nanos AS start_nano,
            CASE WHEN duration_nano >= 0 THEN CAST(time AS BIGINT) * 1000 + time_nanos + duration_nano END AS end_nano
        FROM spans
        WHERE in_asked_time(time, INTERVAL '1 day', INTERVAL '1 day 1 hour')
    ) AS parent
    ON
        parent.trace_id = child.trace_id
        AND parent.span_id = child.parent_span_id
        AND parent.time BETWEEN child.time - INTERVAL '1 day' AND child.time + INTERVAL '1 hour'
    GROUP BY child.service_name, child.time, child.time_nanos, child.trace_id, child.span_id
),

-- The clock hours in which spans of a trace began.
span_hours AS (
    SELECT trace_id, span_id, date_trunc('hour', time) AS hour
    FROM spans
    WHERE trace_id IS NOT NULL AND in_asked_time(time, INTERVAL '25 hours', INTERVAL '1 day 2 hours')
    GROUP BY trace_id, span_id, date_trunc('hour', time)
),

trace_hours AS (
    SELECT trace_id, date_trunc('hour', time) AS hour
    FROM spans
    WHERE trace_id IS NOT NULL AND in_asked_time(time, INTERVAL '25 hours', INTERVAL '1 day 2 hours')
    GROUP BY trace_id, date_trunc('hour', time)
)

SELECT
    time,
    service_name,
    service_namespace,
    deployment_environment_name,
    coalesce(sum(stored_spans), 0) AS stored_spans,
    coalesce(sum(stored_logs), 0) AS stored_logs,
    coalesce(sum(stored_points), 0) AS stored_points,
    sum(stored_spans) IS NULL AS lacks_spans,
    sum(stored_logs) IS NULL AS lacks_logs,
    sum(stored_points) IS NULL AS lacks_metrics,
    coalesce(sum(duplicate_spans), 0) AS duplicate_spans,
    coalesce(sum(orphan_spans), 0) AS orphan_spans,
    coalesce(sum(spans_without_ids), 0) AS spans_without_ids,
    coalesce(sum(spans_without_end), 0) AS spans_without_end,
    coalesce(sum(negative_spans), 0) AS negative_spans,
    coalesce(sum(spans_before_parent), 0) AS spans_before_parent,
    max(max_before_parent_ms) AS max_before_parent_ms,
    coalesce(sum(spans_past_parent), 0) AS spans_past_parent,
    max(max_past_parent_ms) AS max_past_parent_ms,
    coalesce(sum(equal_logs), 0) AS equal_logs,
    coalesce(sum(logs_without_ids), 0) AS logs_without_ids,
    coalesce(sum(logs_of_unknown_trace), 0) AS logs_of_unknown_trace,
    coalesce(sum(logs_of_unknown_span), 0) AS logs_of_unknown_span,
    coalesce(sum(late_spans), 0) AS late_spans,
    coalesce(sum(late_logs), 0) AS late_logs,
    coalesce(sum(late_points), 0) AS late_points
FROM (
    SELECT
        date_trunc('day', time) AS time,
        service_name,
        service_namespace,
        deployment_environment_name,
        sum(copies) AS stored_spans,
        sum(copies - 1) AS duplicate_spans,
        sum(copies) FILTER (WHERE trace_id IS NULL OR span_id IS NULL) AS spans_without_ids,
        sum(endless) AS spans_without_end,
        sum(negative) AS negative_spans,
        sum(late) AS late_spans
    FROM (
        SELECT
            service_name,
            time,
            trace_id,
            span_id,
            min(service_namespace) AS service_namespace,
            min(deployment_environment_name) AS deployment_environment_name,
            count(*) AS copies,
            count(*) FILTER (WHERE duration_nano IS NULL) AS endless,
            count(*) FILTER (WHERE duration_nano < 0) AS negative,
            count(*) FILTER (WHERE ingest_time > time + INTERVAL '1 hour') AS late
        FROM spans
        WHERE in_asked_time(date, INTERVAL '0', INTERVAL '0')
        GROUP BY service_name, time, time_nanos, trace_id, span_id
    ) AS distinct_spans
    GROUP BY date_trunc('day', time), service_name, service_namespace, deployment_environment_name

    UNION ALL BY NAME

    SELECT
        time,
        service_name,
        service_namespace,
        deployment_environment_name,
        count(*) FILTER (WHERE parents = 0) AS orphan_spans,
        count(*) FILTER (WHERE before_nano > 0) AS spans_before_parent,
        max(before_nano) FILTER (WHERE before_nano > 0) / 1e6 AS max_before_parent_ms,
        count(*) FILTER (WHERE past_nano > 0) AS spans_past_parent,
        max(past_nano) FILTER (WHERE past_nano > 0) / 1e6 AS max_past_parent_ms
    FROM children
    GROUP BY time, service_name, service_namespace, deployment_environment_name

    UNION ALL BY NAME

    SELECT
        date_trunc('day', time) AS time,
        service_name,
        service_namespace,
        deployment_environment_name,
        count(*) AS stored_logs,
        count(*) FILTER (WHERE trace_id IS NULL OR span_id IS NULL) AS logs_without_ids,
        count(*) FILTER (WHERE ingest_time > time + INTERVAL '1 hour') AS late_logs
    FROM logs
    WHERE in_asked_time(date, INTERVAL '0', INTERVAL '0')
    GROUP BY date_trunc('day', time), service_name, service_namespace, deployment_environment_name

    UNION ALL BY NAME

    SELECT
        date_trunc('day', time) AS time,
        service_name,
        service_namespace,
        deployment_environment_name,
        sum(copies - 1) AS equal_logs
    FROM (
        SELECT
            log.service_name,
            log.time,
            min(log.service_namespace) AS service_namespace,
            min(log.deployment_environment_name) AS deployment_environment_name,
            count(*) AS copies
        FROM logs AS log
        -- Most have a time of their own; to compare maps is dear.
        LEFT SEMI JOIN (
            SELECT service_name, time, time_nanos
            FROM logs
            WHERE in_asked_time(date, INTERVAL '0', INTERVAL '0')
            GROUP BY service_name, time, time_nanos
            HAVING count(*) > 1
        ) AS crowded
        ON
            crowded.service_name = log.service_name
            AND crowded.time = log.time
            AND crowded.time_nanos = log.time_nanos
        WHERE in_asked_time(log.date, INTERVAL '0', INTERVAL '0')
        GROUP BY
            log.service_name, log.time, log.time_nanos, log.trace_id, log.span_id, log.severity_number, log.event_name,
            log.body, log.attributes, log.resource_attributes
    ) AS distinct_logs
    GROUP BY date_trunc('day', time), service_name, service_namespace, deployment_environment_name

    UNION ALL BY NAME

    SELECT
        date_trunc('day', log.time) AS time,
        log.service_name,
        log.service_namespace,
        log.deployment_environment_name,
        count(*) AS logs_of_unknown_trace
    FROM logs AS log
    LEFT ANTI JOIN trace_hours AS known
    ON
        known.trace_id = log.trace_id
        AND known.hour BETWEEN date_trunc('hour', log.time) - INTERVAL '24 hours'
            AND date_trunc('hour', log.time) + INTERVAL '1 hour'
    WHERE log.trace_id IS NOT NULL AND in_asked_time(log.date, INTERVAL '0', INTERVAL '0')
    GROUP BY date_trunc('day', log.time), log.service_name, log.service_namespace, log.deployment_environment_name

    UNION ALL BY NAME

    SELECT
        date_trunc('day', log.time) AS time,
        log.service_name,
        log.service_namespace,
        log.deployment_environment_name,
        count(*) AS logs_of_unknown_span
    FROM logs AS log
    LEFT ANTI JOIN span_hours AS known
    ON
        known.trace_id = log.trace_id
        AND known.span_id = log.span_id
        AND known.hour BETWEEN date_trunc('hour', log.time) - INTERVAL '24 hours'
            AND date_trunc('hour', log.time) + INTERVAL '1 hour'
    WHERE
        log.trace_id IS NOT NULL AND log.span_id IS NOT NULL
        AND in_asked_time(log.date, INTERVAL '0', INTERVAL '0')
    GROUP BY date_trunc('day', log.time), log.service_name, log.service_namespace, log.deployment_environment_name

    UNION ALL BY NAME

    SELECT
        date_trunc('day', time) AS time,
        service_name,
        service_namespace,
        deployment_environment_name,
        count(*) AS stored_points,
        count(*) FILTER (WHERE ingest_time > time + INTERVAL '1 hour') AS late_points
    FROM metrics
    WHERE in_asked_time(date, INTERVAL '0', INTERVAL '0')
    GROUP BY date_trunc('day', time), service_name, service_namespace, deployment_environment_name
) AS findings
GROUP BY time, service_name, service_namespace, deployment_environment_name
