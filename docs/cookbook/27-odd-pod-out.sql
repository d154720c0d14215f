-- Which pod is slower than others of its service?
WITH pods AS (
    SELECT
        service_name,
        k8s_pod_name,
        count(*) AS requests,
        approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_nano / 1e6) AS p95_ms
    FROM spans
    WHERE time >= now() - INTERVAL '1 hour' AND kind = 'SERVER' AND attr('k8s.pod.name') IS NOT NULL
    GROUP BY service_name, k8s_pod_name
)
SELECT
    service_name,
    k8s_pod_name,
    requests,
    round(p95_ms, 1) AS p95_ms,
    round(p95_ms / avg(p95_ms) OVER (PARTITION BY service_name), 2) AS times_the_mean
FROM pods
ORDER BY times_the_mean DESC
LIMIT 20
