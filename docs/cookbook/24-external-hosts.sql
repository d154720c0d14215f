-- Which hosts outside of our services time out or fail?
SELECT
    server_address,
    service_name AS called_by,
    count(*) AS calls,
    round(100.0 * count(*) FILTER (WHERE status_code = 'ERROR') / count(*), 2) AS error_percent,
    count(*) FILTER (WHERE error_type = 'timeout') AS timeouts,
    round(approx_percentile_cont(0.99) WITHIN GROUP (ORDER BY duration_nano / 1e6), 1) AS p99_ms
FROM spans
WHERE time >= now() - INTERVAL '1 day' AND kind = 'CLIENT' AND http_request_method IS NOT NULL
GROUP BY server_address, service_name
ORDER BY error_percent DESC
