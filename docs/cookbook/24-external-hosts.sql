-- Which hosts outside of our services time out or fail?
--
-- Addresses that are no name of a service that sends spans itself, nor inside of the cluster.
SELECT
    server_address,
    service_name AS called_by,
    count(*) AS calls,
    round(100.0 * count(*) FILTER (WHERE status_code = 'ERROR') / count(*), 2) AS error_percent,
    count(*) FILTER (WHERE error_type = 'timeout') AS timeouts,
    round(approx_percentile_cont(0.99) WITHIN GROUP (ORDER BY duration_nano / 1e6), 1) AS p99_ms
FROM spans
WHERE
    time >= now() - INTERVAL '1 day'
    AND kind = 'CLIENT'
    AND server_address LIKE '%.%'
    AND server_address NOT LIKE '%.svc.cluster.local'
GROUP BY server_address, service_name
ORDER BY error_percent DESC
