-- What was the p95 of each route over the month?
--
-- From the services' own histograms, added up bucket by bucket: an average of each minute's p95 would be wrong.
SELECT
    service_name,
    http_route,
    round(1000 * histogram_quantile(0.5, histogram_merge()), 1) AS p50_ms,
    round(1000 * histogram_quantile(0.95, histogram_merge()), 1) AS p95_ms
FROM metrics
WHERE metric_name = 'http.server.request.duration' AND time >= now() - INTERVAL '30 days' AND http_route IS NOT NULL
GROUP BY service_name, http_route
ORDER BY p95_ms DESC
