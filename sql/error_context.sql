-- One row an error and a thing that its service instance logged or measured around it; the error itself is one too.
--
--   time, time_nanos             when the error happened: a span's start, a log's time
--   error                        text, `span` (status ERROR) or `log` (severity ERROR and above)
--   service_name, service_namespace, deployment_environment_name  text, of the error
--   instance                     text, its k8s_pod_name, else service_instance_id, else host_name
--   trace_id, span_id            text, of the error
--   error_name                   text, the span's name, the log's event name
--   error_text                   text, the span's status message, the log's body
--   context                      text, `error` (the row of the error itself), `log` or `metric`
--   context_time, context_time_nanos  when that was
--   offset_ms                    double, milliseconds from the error to it; negative is before
--   name                         text, of the context: a log's event name, a metric's name
--   level                        text, a log's severity: TRACE, DEBUG, INFO, WARN, ERROR or FATAL
--   text                         text, a log's body
--   value                        double, a metric's value; of a histogram or summary the mean
--   unit                         text, of a metric
--   context_trace_id, context_span_id  text, of a log
--   attributes                   map, the context's own
-- Context is of the same instance and service, or of the same pod where a metric's resource names another service;
-- where an error names no instance, of what names none either. Logs: within 5 seconds before and after. Metrics: of
-- each series the latest point at or before the error, at most 2 minutes. An error log is not among its own logs,
-- nor are those equal to it; a span counts once however often it is stored.
--
-- Cost: bounded by `time` in every table. A bound on `trace_id` bounds the errors; where these are of one date, logs
-- and metrics are read of that date alone. Every error brings up to ten seconds of its instance's logs: bound it.
WITH
failures AS (
    SELECT
        'span' AS error,
        service_name,
        time,
        time_nanos,
        trace_id,
        span_id,
        service_namespace,
        deployment_environment_name,
        k8s_pod_name AS pod,
        coalesce(k8s_pod_name, service_instance_id, host_name, '') AS instance,
        name AS error_name,
        status_message AS error_text,
        attributes
    FROM spans
    WHERE
        status_code = 'ERROR'
        AND in_asked_time(time, INTERVAL '0', INTERVAL '0')
        AND in_asked_trace(trace_id)
    QUALIFY row_number() OVER (PARTITION BY service_name, time, time_nanos, trace_id, span_id) = 1

    UNION ALL

    SELECT
        'log' AS error,
        service_name,
        time,
        time_nanos,
        trace_id,
        span_id,
        service_namespace,
        deployment_environment_name,
        k8s_pod_name AS pod,
        coalesce(k8s_pod_name, service_instance_id, host_name, '') AS instance,
        event_name AS error_name,
        body AS error_text,
        attributes
    FROM logs
    WHERE
        severity_number >= 17
        AND in_asked_time(time, INTERVAL '0', INTERVAL '0')
        AND in_asked_trace(trace_id)
),

-- Each error in the two stretches of ten seconds, cut at multiples of ten, that have what is within five of it.
-- By unnest, since a join then takes the errors, few and of unknown number, for the side to keep in memory.
failures_by_stretch AS (
    SELECT *, date_bin(INTERVAL '10 seconds', time + shift) AS stretch
    FROM (SELECT *, unnest([INTERVAL '-5 seconds', INTERVAL '5 seconds']) AS shift FROM failures) AS shifted
),

-- Each instance's moments of errors in the two stretches of two minutes that have what is within two before.
moments AS (
    SELECT service_name, pod, instance, time, date_bin(INTERVAL '2 minutes', time + shift) AS stretch
    FROM (SELECT *, unnest([INTERVAL '-2 minutes', INTERVAL '0']) AS shift FROM failures) AS shifted
    GROUP BY service_name, pod, instance, time, date_bin(INTERVAL '2 minutes', time + shift)
),

-- Joined by the date alone first: of the one date of a trace's errors, files of other dates are not opened.
log_dates AS (
    SELECT CAST(stretch AS DATE) AS date FROM failures_by_stretch GROUP BY CAST(stretch AS DATE)
),

point_dates AS (
    SELECT CAST(stretch AS DATE) AS date FROM moments GROUP BY CAST(stretch AS DATE)
),

points AS (
    SELECT
        m.service_name,
        m.instance,
        m.time AS error_time,
        p.*,
        row_number() OVER (
            PARTITION BY m.service_name, m.instance, m.time, p.series_id ORDER BY p.point_time DESC
        ) AS place
    FROM moments AS m
    JOIN (
        SELECT
            coalesce(k8s_pod_name, service_instance_id, host_name, '') AS point_instance,
            service_name AS point_service,
            k8s_pod_name AS point_pod,
            series_id,
            metric_name,
            unit,
            time AS point_time,
            time_nanos AS point_time_nanos,
            coalesce(value, sum / nullif(count, 0)) AS value,
            attributes,
            date_bin(INTERVAL '2 minutes', time) AS stretch
        FROM point_dates
        JOIN metrics ON metrics.date = point_dates.date
        WHERE in_asked_time(time, INTERVAL '2 minutes', INTERVAL '0')
    ) AS p
    ON
        p.stretch = m.stretch
        AND p.point_instance = m.instance
        AND (p.point_service = m.service_name OR p.point_pod = m.pod)
        AND p.point_time <= m.time
        AND p.point_time >= m.time - INTERVAL '2 minutes'
)

SELECT
    time,
    time_nanos,
    error,
    service_name,
    service_namespace,
    deployment_environment_name,
    nullif(instance, '') AS instance,
    trace_id,
    span_id,
    error_name,
    error_text,
    context,
    context_time,
    context_time_nanos,
    (CAST(context_time AS BIGINT) - CAST(time AS BIGINT)) / 1e3 + (context_time_nanos - time_nanos) / 1e6 AS offset_ms,
    name,
    level,
    text,
    value,
    unit,
    context_trace_id,
    context_span_id,
    attributes
FROM (
    SELECT
        * EXCEPT (pod, attributes),
        'error' AS context,
        time AS context_time,
        time_nanos AS context_time_nanos,
        CAST(NULL AS VARCHAR) AS name,
        CAST(NULL AS VARCHAR) AS level,
        CAST(NULL AS VARCHAR) AS text,
        CAST(NULL AS DOUBLE) AS value,
        CAST(NULL AS VARCHAR) AS unit,
        CAST(NULL AS VARCHAR) AS context_trace_id,
        CAST(NULL AS VARCHAR) AS context_span_id,
        attributes
    FROM failures

    UNION ALL

    SELECT
        e.* EXCEPT (pod, attributes, shift, stretch),
        'log' AS context,
        l.log_time AS context_time,
        l.log_time_nanos AS context_time_nanos,
        l.event_name AS name,
        CASE
            WHEN l.severity_number BETWEEN 1 AND 4 THEN 'TRACE'
            WHEN l.severity_number BETWEEN 5 AND 8 THEN 'DEBUG'
            WHEN l.severity_number BETWEEN 9 AND 12 THEN 'INFO'
            WHEN l.severity_number BETWEEN 13 AND 16 THEN 'WARN'
            WHEN l.severity_number BETWEEN 17 AND 20 THEN 'ERROR'
            WHEN l.severity_number BETWEEN 21 AND 24 THEN 'FATAL'
            ELSE upper(l.severity_text)
        END AS level,
        l.body AS text,
        CAST(NULL AS DOUBLE) AS value,
        CAST(NULL AS VARCHAR) AS unit,
        l.log_trace_id AS context_trace_id,
        l.log_span_id AS context_span_id,
        l.attributes
    FROM failures_by_stretch AS e
    JOIN (
        SELECT
            coalesce(k8s_pod_name, service_instance_id, host_name, '') AS log_instance,
            service_name AS log_service,
            time AS log_time,
            time_nanos AS log_time_nanos,
            trace_id AS log_trace_id,
            span_id AS log_span_id,
            event_name,
            severity_number,
            severity_text,
            body,
            attributes,
            date_bin(INTERVAL '10 seconds', time) AS stretch
        FROM log_dates
        JOIN logs ON logs.date = log_dates.date
        WHERE in_asked_time(time, INTERVAL '5 seconds', INTERVAL '5 seconds')
    ) AS l
    ON
        l.stretch = e.stretch
        AND l.log_service = e.service_name
        AND l.log_instance = e.instance
        AND l.log_time BETWEEN e.time - INTERVAL '5 seconds' AND e.time + INTERVAL '5 seconds'
    WHERE NOT (
        e.error = 'log'
        AND e.time = l.log_time
        AND e.time_nanos = l.log_time_nanos
        AND (e.trace_id IS NOT DISTINCT FROM l.log_trace_id)
        AND (e.span_id IS NOT DISTINCT FROM l.log_span_id)
        AND (e.error_text IS NOT DISTINCT FROM l.body)
    )

    UNION ALL

    SELECT
        e.* EXCEPT (pod, attributes),
        'metric' AS context,
        p.point_time AS context_time,
        p.point_time_nanos AS context_time_nanos,
        p.metric_name AS name,
        CAST(NULL AS VARCHAR) AS level,
        CAST(NULL AS VARCHAR) AS text,
        p.value,
        p.unit,
        CAST(NULL AS VARCHAR) AS context_trace_id,
        CAST(NULL AS VARCHAR) AS context_span_id,
        p.attributes
    FROM failures AS e
    JOIN points AS p
    ON p.service_name = e.service_name AND p.instance = e.instance AND p.error_time = e.time AND p.place = 1
) AS contexts
