-- One row an error that happened: an error span with its exception, or a log record of an error.
--
--   date                         date, UTC day of `time`
--   time, time_nanos             timestamp and smallint, start of the span, time of the log
--   signal                       text, `span` or `log`
--   fingerprint                  text, 16 hexadecimal digits, the same for the same error: a hash of service_name, type
--                                and the message without what varies: numbers, ids, quotations (message_pattern())
--   type                         text, exception.type, else error.type, else a span's HTTP status, else `ERROR` or, of
--                                a log, `FATAL`
--   message                      text, exception.message, else a span's status message or name, a log's body
--   service_name                 text
--   service_namespace            text
--   deployment_environment_name  text
--   trace_id, span_id            text, of the span, or that the log names
--   name                         text, of the span; of a log its event name
--   adjusted_count               double, how many that happened it stands for
-- A span is an error by its status alone; of several exceptions that it recorded the latest is taken, since that is the
-- one that left it. A duplicate span (equal service_name, time, time_nanos, trace_id and span_id) is here once. A log
-- is an error from severity ERROR (17) on, or with an exception. Logs are never collapsed. A failure that both a span
-- and a log tell of is here twice, told apart by `signal`: count one signal at a time.
--
-- Cost: bounded by `time`; a bound on `service_name` leaves out files. Of error spans the events are read.
SELECT
    date,
    time,
    time_nanos,
    signal,
    fingerprint(service_name, type, message_pattern(message)) AS fingerprint,
    type,
    message,
    service_name,
    service_namespace,
    deployment_environment_name,
    trace_id,
    span_id,
    name,
    adjusted_count
FROM (
    SELECT
        date,
        time,
        time_nanos,
        'span' AS signal,
        coalesce(
            last_value(event_type ORDER BY event_time, event_time_nanos) FILTER (WHERE event_time IS NOT NULL),
            min(exception_type),
            min(error_type),
            CAST(min(http_response_status_code) AS VARCHAR),
            'ERROR'
        ) AS type,
        coalesce(
            last_value(event_message ORDER BY event_time, event_time_nanos) FILTER (WHERE event_time IS NOT NULL),
            min(exception_message),
            min(nullif(status_message, '')),
            min(name)
        ) AS message,
        service_name,
        min(service_namespace) AS service_namespace,
        min(deployment_environment_name) AS deployment_environment_name,
        trace_id,
        span_id,
        min(name) AS name,
        max(coalesce(adjusted_count, 1)) AS adjusted_count
    FROM (
        SELECT
            date, time, time_nanos, service_name, service_namespace, deployment_environment_name, trace_id, span_id,
            name, status_message, exception_type, exception_message, error_type, http_response_status_code,
            adjusted_count, NULL AS event_time, NULL AS event_time_nanos, NULL AS event_type, NULL AS event_message
        FROM spans
        WHERE status_code = 'ERROR'

        UNION ALL BY NAME

        SELECT
            date, time, time_nanos, service_name, trace_id, span_id, event['time'] AS event_time,
            event['time_nanos'] AS event_time_nanos, event['attributes']['exception.type'] AS event_type,
            event['attributes']['exception.message'] AS event_message
        FROM (
            SELECT date, time, time_nanos, service_name, trace_id, span_id, unnest(events) AS event
            FROM spans
            WHERE status_code = 'ERROR' AND cardinality(events) > 0
        ) AS span_events
        WHERE event['name'] = 'exception'
    ) AS error_spans
    GROUP BY service_name, date, time, time_nanos, trace_id, span_id

    UNION ALL

    SELECT
        date,
        time,
        time_nanos,
        'log' AS signal,
        coalesce(exception_type, error_type, CASE WHEN severity_number >= 21 THEN 'FATAL' ELSE 'ERROR' END) AS type,
        coalesce(exception_message, body) AS message,
        service_name,
        service_namespace,
        deployment_environment_name,
        trace_id,
        span_id,
        event_name AS name,
        coalesce(adjusted_count, 1) AS adjusted_count
    FROM logs
    WHERE severity_number >= 17 OR exception_type IS NOT NULL OR exception_message IS NOT NULL
) AS occurrences
