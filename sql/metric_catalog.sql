-- One row a metric of one type, unit and temporality and a day (UTC) on which it had a point.
--
--   time                   timestamp, start of the day
--   metric_name            text
--   metric_type            text: GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM, SUMMARY
--   unit                   text, UCUM: `s`, `By`, `{request}`
--   temporality            text: DELTA, CUMULATIVE; NULL for gauges and summaries
--   is_monotonic           boolean, of sums
--   description            text, the first in alphabetical order where senders differ
--   series                 bigint, distinct series_id: metric, resource, scope and attributes
--   points                 bigint, points stored
--   services               list of text, in alphabetical order
--   attribute_keys         list of text, the keys of its points' attributes, in alphabetical order
--   first_seen, last_seen  timestamp, of that day
--
-- Cost: bounded by `time`, in whole days, and by `metric_name`: every point's series and attributes; in memory are a
-- row a series and day.
SELECT
    time,
    metric_name,
    metric_type,
    unit,
    temporality,
    is_monotonic,
    min(description) AS description,
    count(DISTINCT series_id) AS series,
    sum(points) AS points,
    array_sort(array_agg(DISTINCT service_name)) AS services,
    array_sort(array_distinct(flatten(array_agg(keys)))) AS attribute_keys,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
FROM (
    SELECT
        date_trunc('day', time) AS time,
        metric_name,
        metric_type,
        unit,
        temporality,
        is_monotonic,
        service_name,
        series_id,
        map_keys(attributes) AS keys,
        min(description) AS description,
        count(*) AS points,
        min(time) AS first_seen,
        max(time) AS last_seen
    FROM metrics
    WHERE in_asked_time(date, INTERVAL '0', INTERVAL '0')
    GROUP BY
        date_trunc('day', time), metric_name, metric_type, unit, temporality, is_monotonic, service_name, series_id,
        map_keys(attributes)
) AS series
GROUP BY time, metric_name, metric_type, unit, temporality, is_monotonic
