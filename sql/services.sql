-- One row a service, namespace, environment and day (UTC) on which it sent anything.
--
--   time                         timestamp, start of the day
--   service_name                 text, `unknown_service` for what names no service
--   service_namespace            text
--   deployment_environment_name  text
--   versions                     list of text, its service_version, in alphabetical order
--   instances                    bigint, distinct k8s_pod_name, else service_instance_id, else host_name
--   first_seen, last_seen        timestamp, of any signal, on that day
--   first_span, last_span, first_log, last_log, first_point, last_point   timestamp, of that signal
--   spans, logs                  bigint, those that happened: each stored one counts its adjusted_count
--   points                       bigint, metric points
--   stored_spans, stored_logs    bigint, rows; a duplicate span is a row
-- The times of a signal that sent nothing are NULL, its counts 0. A duplicate span (equal service_name, time,
-- time_nanos, trace_id and span_id) counts once in `spans`.
--
-- Cost: bounded by `time`, in whole days, and by `service_name`: of the days asked for, the ids of every span, and of
-- logs and metrics columns that take little room.
SELECT
    time,
    service_name,
    service_namespace,
    deployment_environment_name,
    array_sort(
        coalesce(array_agg(DISTINCT service_version) FILTER (WHERE service_version IS NOT NULL), [])
    ) AS versions,
    count(DISTINCT instance) AS instances,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen,
    min(first_seen) FILTER (WHERE signal = 'span') AS first_span,
    max(last_seen) FILTER (WHERE signal = 'span') AS last_span,
    min(first_seen) FILTER (WHERE signal = 'log') AS first_log,
    max(last_seen) FILTER (WHERE signal = 'log') AS last_log,
    min(first_seen) FILTER (WHERE signal = 'point') AS first_point,
    max(last_seen) FILTER (WHERE signal = 'point') AS last_point,
    CAST(round(coalesce(sum(happened) FILTER (WHERE signal = 'span'), 0)) AS BIGINT) AS spans,
    CAST(round(coalesce(sum(happened) FILTER (WHERE signal = 'log'), 0)) AS BIGINT) AS logs,
    coalesce(sum(stored) FILTER (WHERE signal = 'point'), 0) AS points,
    coalesce(sum(stored) FILTER (WHERE signal = 'span'), 0) AS stored_spans,
    coalesce(sum(stored) FILTER (WHERE signal = 'log'), 0) AS stored_logs
FROM (
    SELECT
        'span' AS signal,
        date_trunc('day', time) AS time,
        service_name,
        service_namespace,
        deployment_environment_name,
        service_version,
        instance,
        min(time) AS first_seen,
        max(time) AS last_seen,
        sum(happened) AS happened,
        sum(stored) AS stored
    FROM (
        SELECT
            time,
            service_name,
            min(service_namespace) AS service_namespace,
            min(deployment_environment_name) AS deployment_environment_name,
            min(service_version) AS service_version,
            min(coalesce(k8s_pod_name, service_instance_id, host_name)) AS instance,
            max(coalesce(adjusted_count, 1)) AS happened,
            count(*) AS stored
        FROM spans
        WHERE in_asked_time(date, INTERVAL '0', INTERVAL '0')
        GROUP BY service_name, time, time_nanos, trace_id, span_id
    ) AS distinct_spans
    GROUP BY
        date_trunc('day', time), service_name, service_namespace, deployment_environment_name, service_version,
        instance

    UNION ALL

    SELECT
        'log' AS signal,
        date_trunc('day', time) AS time,
        service_name,
        service_namespace,
        deployment_environment_name,
        service_version,
        coalesce(k8s_pod_name, service_instance_id, host_name) AS instance,
        min(time) AS first_seen,
        max(time) AS last_seen,
        sum(coalesce(adjusted_count, 1)) AS happened,
        count(*) AS stored
    FROM logs
    WHERE in_asked_time(date, INTERVAL '0', INTERVAL '0')
    GROUP BY
        date_trunc('day', time), service_name, service_namespace, deployment_environment_name, service_version,
        coalesce(k8s_pod_name, service_instance_id, host_name)

    UNION ALL

    SELECT
        'point' AS signal,
        date_trunc('day', time) AS time,
        service_name,
        service_namespace,
        deployment_environment_name,
        service_version,
        coalesce(k8s_pod_name, service_instance_id, host_name) AS instance,
        min(time) AS first_seen,
        max(time) AS last_seen,
        NULL AS happened,
        count(*) AS stored
    FROM metrics
    WHERE in_asked_time(date, INTERVAL '0', INTERVAL '0')
    GROUP BY
        date_trunc('day', time), service_name, service_namespace, deployment_environment_name, service_version,
        coalesce(k8s_pod_name, service_instance_id, host_name)
) AS seen
GROUP BY time, service_name, service_namespace, deployment_environment_name
