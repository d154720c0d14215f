-- Which database statements cost most?
SELECT
    service_name,
    db_system_name,
    db_query_text,
    count(*) AS calls,
    round(sum(duration_nano) / 1e9, 2) AS seconds_in_all,
    round(approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_nano / 1e6), 2) AS p95_ms
FROM spans
WHERE time >= now() - INTERVAL '1 day' AND db_query_text IS NOT NULL
GROUP BY service_name, db_system_name, db_query_text
ORDER BY seconds_in_all DESC
LIMIT 20
