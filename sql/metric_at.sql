-- metric_at(metric_name, tolerance = INTERVAL '5 minutes')
-- One row a span or a log record, with the value that a metric of its service had at that moment.
--
--   trace_id            text
--   time                timestamp, start of the span, time of the log
--   time_nanos          smallint, nanoseconds past `time`
--   signal              text, `span` or `log`
--   service_name        text
--   instance            text, k8s_pod_name, else service_instance_id, else host_name
--   span_id             text, the span itself, or the one the log was written in
--   name                text, of the span; of a log its event name
--   level               text, a span's status_code; a log's severity_text
--   duration_ms         double, of spans only
--   text                text, a span's status message, a log's body
--   attributes          map, its own
--   metric_value        double, as stored: of a counter the count, of cumulative temporality since its start
--   metric_unit         text
--   metric_time         timestamp, of the point: the latest at or before `time`, at most `tolerance` before it
--   metric_age_seconds  double, from metric_time to time
--   metric_instance     text, whose point it is; NULL where the point's resource names no instance
-- A record without such a point has NULLs. The point is one of the record's own service and instance. Where there is
-- none, it is the service's latest, if the record or that point names no instance; of several instances' at one
-- moment, that of the last by name. Series of the metric (by attributes, scope or unit) with points of one instance at one
-- moment are added up if they are sums, averaged if they are gauges; for one of them, or another key, write the
-- ASOF JOIN yourself. Points without a value (histograms, summaries, staleness) don't count. Times are compared to
-- the microsecond. A duplicate span (equal service_name, time, time_nanos, trace_id and span_id) is here once.
--
-- Cost: bounded by `time`: a bound in the WHERE bounds all three tables, metrics from `tolerance` before it; so does
-- one on `service_name`. With `signal = 'log'` spans are not read, and the other way round. Metrics are read
-- twice, the points of one name only.
WITH
metric_at_records AS (
    SELECT
        trace_id,
        time,
        time_nanos,
        'span' AS signal,
        service_name,
        coalesce(k8s_pod_name, service_instance_id, host_name) AS instance,
        span_id,
        name,
        status_code AS level,
        duration_nano / 1e6 AS duration_ms,
        status_message AS text,
        attributes
    FROM spans
    QUALIFY row_number() OVER (PARTITION BY service_name, time, time_nanos, trace_id, span_id) = 1

    UNION ALL

    SELECT
        trace_id,
        time,
        time_nanos,
        'log' AS signal,
        service_name,
        coalesce(k8s_pod_name, service_instance_id, host_name) AS instance,
        span_id,
        event_name AS name,
        severity_text AS level,
        NULL AS duration_ms,
        body AS text,
        attributes
    FROM logs
),

-- One row a service, instance and moment; equal points of a series count once.
metric_at_points AS (
    SELECT
        service_name,
        instance,
        time,
        CASE WHEN max(metric_type) = 'SUM' THEN sum(value) ELSE avg(value) END AS value,
        max(unit) AS unit
    FROM (
        SELECT
            service_name,
            coalesce(k8s_pod_name, service_instance_id, host_name) AS instance,
            time,
            series_id,
            max(value) AS value,
            max(metric_type) AS metric_type,
            max(unit) AS unit
        FROM metrics
        WHERE metric_name = $metric_name AND value IS NOT NULL
        GROUP BY service_name, coalesce(k8s_pod_name, service_instance_id, host_name), time, series_id
    ) AS series
    GROUP BY service_name, instance, time
)

SELECT
    trace_id,
    time,
    time_nanos,
    signal,
    service_name,
    instance,
    span_id,
    name,
    level,
    duration_ms,
    text,
    attributes,
    point['value'] AS metric_value,
    point['unit'] AS metric_unit,
    point['time'] AS metric_time,
    (CAST(time AS BIGINT) - CAST(point['time'] AS BIGINT)) / 1e6 AS metric_age_seconds,
    point['instance'] AS metric_instance
FROM (
    SELECT
        records.*,
        CASE
            WHEN own.time IS NOT NULL
                THEN named_struct('instance', own.instance, 'time', own.time, 'value', own.value, 'unit', own.unit)
            WHEN records.instance IS NULL OR of_service.instance IS NULL
                THEN named_struct(
                    'instance', of_service.instance,
                    'time', of_service.time,
                    'value', of_service.value,
                    'unit', of_service.unit
                )
        END AS point
    FROM metric_at_records AS records
    ASOF JOIN metric_at_points AS own
        MATCH_CONDITION (records.time >= own.time AND records.time - own.time <= $tolerance)
        ON records.service_name = own.service_name AND records.instance = own.instance
    ASOF JOIN metric_at_points AS of_service
        MATCH_CONDITION (records.time >= of_service.time AND records.time - of_service.time <= $tolerance)
        ON records.service_name = of_service.service_name
) AS matched
