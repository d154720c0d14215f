-- Which dependency makes checkouts slow and fail, when, and what do the logs say?
WITH scoring AS (
    SELECT trace_id, server_address, max(duration_nano) / 1e6 AS dependency_ms
    FROM spans
    WHERE kind = 'CLIENT' AND name = 'POST /v1/score'
    GROUP BY trace_id, server_address
),
failures AS (
    SELECT trace_id, count(*) AS error_logs, max(body) FILTER (WHERE service_name = 'payment') AS payment_said
    FROM span_logs
    WHERE severity_number >= 17
    GROUP BY trace_id
)
SELECT
    date_part('second', date_bin(INTERVAL '20 seconds', t.time)) AS from_second,
    s.server_address AS dependency,
    count(*) AS checkouts,
    round(approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY t.duration_ms)) AS checkout_p50_ms,
    round(approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY t.duration_ms)) AS checkout_p95_ms,
    round(approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY s.dependency_ms)) AS dependency_p50_ms,
    coalesce(sum(f.error_logs), 0) AS error_logs,
    max(f.payment_said) AS payment_said
FROM traces t
JOIN scoring s ON s.trace_id = t.trace_id
LEFT JOIN failures f ON f.trace_id = t.trace_id
WHERE t.root_name = 'POST /api/checkout'
GROUP BY 1, 2
ORDER BY 1
