-- Window functions.
SELECT service_name, time, span_id, row_number() OVER w AS number, lag(span_id) OVER w AS before,
    sum(duration_nano) OVER (w ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS sum, rank() OVER (ORDER BY kind) AS rank,
    first_value(name) OVER w AS first
FROM spans WHERE attributes['batch'] = 'cold' WINDOW w AS (PARTITION BY service_name ORDER BY time, time_nanos, span_id) ORDER BY service_name, number
