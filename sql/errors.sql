-- One row a distinct error of a service, a signal and a day (UTC) on which it happened.
--
--   time                         timestamp, start of the day
--   fingerprint                  text, the same for the same error on every day: see `error_occurrences`
--   signal                       text, `span` or `log`
--   type, message                text; the message is that of its latest occurrence of the day
--   service_name                 text
--   service_namespace            text
--   deployment_environment_name  text
--   first_seen, last_seen        timestamp, of that day
--   count                        bigint, how often it happened: each stored record counts its adjusted_count
--   stored_count                 bigint, records stored
--   trace_id, span_id            text, of the latest occurrence that has a trace
-- What an error is: see `error_occurrences`, which is to be grouped for other times than days: a row's `time` is that
-- of its day, so `time > now() - INTERVAL '1 hour'` is true of no row. A failure that both a span and a log tell of is
-- in a row of each signal, often with one fingerprint: don't add signals up.
--
-- Cost: bounded by `time`, in whole days; a bound on `service_name` leaves out files.
SELECT
    date_trunc('day', time) AS time,
    fingerprint,
    signal,
    type,
    last_value(message ORDER BY time, time_nanos, span_id) AS message,
    service_name,
    service_namespace,
    deployment_environment_name,
    min(time) AS first_seen,
    max(time) AS last_seen,
    CAST(round(sum(adjusted_count)) AS BIGINT) AS count,
    count(*) AS stored_count,
    last_value(trace_id ORDER BY time, time_nanos, span_id) FILTER (WHERE trace_id IS NOT NULL) AS trace_id,
    last_value(span_id ORDER BY time, time_nanos, span_id) FILTER (WHERE trace_id IS NOT NULL) AS span_id
FROM error_occurrences
WHERE in_asked_time(date, INTERVAL '0', INTERVAL '0')
GROUP BY
    date_trunc('day', time), fingerprint, signal, type, service_name, service_namespace, deployment_environment_name
