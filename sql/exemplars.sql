-- One row an exemplar: a measurement that a metric kept as a sample, with the trace it was made in.
--
--   metric_name, metric_type, unit   text
--   time                             timestamp, when it was measured
--   time_nanos                       smallint, nanoseconds past `time`
--   value                            double, in `unit`
--   lower_bound, upper_bound         double, the histogram's bucket that the value is in, explicit or exponential:
--                                    lower_bound < value <= upper_bound, -Infinity and Infinity at the ends (for
--                                    negative values in exponential ones lower_bound <= value < upper_bound); NULL
--                                    where the metric is no histogram
--   trace_id, span_id                text, where it was measured, NULL without
--   service_name, service_namespace, deployment_environment_name  text
--   series_id                        bigint, the series as in `metrics`
--   attributes                       map, the exemplar's own: those that the metric leaves out
--   metric_attributes                map, the point's
--   point_time                       timestamp, of the first point that has it
-- An exemplar that several points of a series report (equal time, value, trace_id and span_id) is here once.
--
-- Cost: bounded by `time`, `metric_name`, `service_name`: exemplars are looked for in points within [query] span_slack
-- of the asked time. A bound on `trace_id` leaves out the points that have none of it, after they are read.
SELECT
    metric_name,
    metric_type,
    unit,
    time,
    time_nanos,
    value,
    bucket['lower_bound'] AS lower_bound,
    bucket['upper_bound'] AS upper_bound,
    trace_id,
    span_id,
    service_name,
    service_namespace,
    deployment_environment_name,
    series_id,
    attributes,
    metric_attributes,
    point_time
FROM (
    SELECT
        metric_name,
        metric_type,
        unit,
        exemplar['time'] AS time,
        exemplar['time_nanos'] AS time_nanos,
        exemplar['value'] AS value,
        bucket_of(exemplar['value'], explicit_bounds, scale, zero_threshold) AS bucket,
        exemplar['trace_id'] AS trace_id,
        exemplar['span_id'] AS span_id,
        service_name,
        service_namespace,
        deployment_environment_name,
        series_id,
        exemplar['attributes'] AS attributes,
        metric_attributes,
        point_time
    FROM (
        SELECT
            metric_name,
            metric_type,
            unit,
            service_name,
            service_namespace,
            deployment_environment_name,
            series_id,
            time AS point_time,
            explicit_bounds,
            scale,
            zero_threshold,
            attributes AS metric_attributes,
            unnest(exemplars) AS exemplar
        FROM metrics
        WHERE
            cardinality(exemplars) > 0
            AND in_asked_time(time, span_slack(), span_slack())
            AND in_asked_trace(exemplars)
    ) AS unnested
) AS e
QUALIFY row_number() OVER (
    PARTITION BY metric_name, service_name, series_id, time, time_nanos, value, trace_id, span_id ORDER BY point_time
) = 1
