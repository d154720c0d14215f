-- metric_quantile(metric_name, q, width = '5 minutes')
-- One row a service and bucket of time in which a histogram metric counted anything.
--
--   time          timestamp, start of the bucket
--   service_name  text
--   value         double, in the metric's unit: the quantile `q` (0 to 1) of what the metric's series counted in the bucket
--   count         bigint, how many they counted
-- Of CUMULATIVE series each point counts what it adds to the series' point before it, at most 10 minutes before the
-- asked time, in full where the series began anew; DELTA points are added up. Buckets are time_bucket's, quantiles
-- histogram_quantile's. Histograms whose buckets don't fit together are an error that names them.
--
-- Cost: the points of the metric; a bound on `time` bounds what is read, from 10 minutes before it.
SELECT time, service_name, histogram_quantile($q, histogram) AS value, histogram['count'] AS count
FROM (
    SELECT time_bucket($width, time) AS time, service_name, histogram_merge(growth) AS histogram
    FROM (
        SELECT time, service_name, histogram_delta() OVER (PARTITION BY series_id) AS growth
        FROM metrics
        WHERE
            metric_name = $metric_name
            AND metric_type IN ('HISTOGRAM', 'EXPONENTIAL_HISTOGRAM')
            -- What is asked for is buckets: those that begin before the end are read to their own end.
            AND in_asked_time(time, INTERVAL '10 minutes', INTERVAL '10 years')
            AND in_asked_time(time_bucket($width, time), INTERVAL '10 years', INTERVAL '0')
    ) AS points
    GROUP BY time_bucket($width, time), service_name
) AS buckets
WHERE histogram['count'] > 0
