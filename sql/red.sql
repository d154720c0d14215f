-- One row an operation of a service and a minute in which it was requested: rate, errors, duration.
--
--   time                         timestamp, start of the minute
--   service_name                 text
--   service_namespace            text
--   deployment_environment_name  text
--   operation                    text: method and http_route, else rpc service and method, else the span's name
--   requests                     bigint, requests that happened: each stored span counts its adjusted_count
--   rate                         double, requests a second, over the whole minute
--   errors                       bigint, those with status ERROR
--   error_rate                   double, errors of requests, 0 to 1
--   p50_ms, p95_ms, p99_ms       double, milliseconds: percentiles of their durations, weighted likewise
--   stored_requests              bigint, requests stored
-- A request is a row of the view `requests`. One without an end, or that ends before it starts, counts, but is in no
-- percentile; a percentile of none is NULL. Percentiles are approximate (t-digest); those of many rows can't be
-- averaged: ask `requests` for a p95 over more than a minute.
--
-- Cost: bounded by `time`, as `requests` is; a bound on `service_name` leaves out files.
SELECT
    time,
    service_name,
    service_namespace,
    deployment_environment_name,
    operation,
    CAST(round(requests) AS BIGINT) AS requests,
    requests / 60 AS rate,
    CAST(round(coalesce(errors, 0)) AS BIGINT) AS errors,
    coalesce(errors, 0) / requests AS error_rate,
    p50_ms,
    p95_ms,
    p99_ms,
    stored_requests
FROM (
    SELECT
        date_trunc('minute', time) AS time,
        service_name,
        service_namespace,
        deployment_environment_name,
        operation,
        sum(adjusted_count) AS requests,
        sum(adjusted_count) FILTER (WHERE status_code = 'ERROR') AS errors,
        approx_percentile_cont_with_weight(adjusted_count, 0.5) WITHIN GROUP (ORDER BY duration_ms)
            FILTER (WHERE duration_ms >= 0) AS p50_ms,
        approx_percentile_cont_with_weight(adjusted_count, 0.95) WITHIN GROUP (ORDER BY duration_ms)
            FILTER (WHERE duration_ms >= 0) AS p95_ms,
        approx_percentile_cont_with_weight(adjusted_count, 0.99) WITHIN GROUP (ORDER BY duration_ms)
            FILTER (WHERE duration_ms >= 0) AS p99_ms,
        count(*) AS stored_requests
    FROM requests
    WHERE in_asked_time(time, INTERVAL '0', INTERVAL '1 minute')
    GROUP BY date_trunc('minute', time), service_name, service_namespace, deployment_environment_name, operation
) AS operations
