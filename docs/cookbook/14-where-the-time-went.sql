-- Where did the time of this trace go?
--
-- The stretches that somebody had to wait for, the longest first.
SELECT service_name, name, kind, count(*) AS stretches, round(sum(duration_ms), 2) AS ms, round(100 * sum(share), 1) AS percent
FROM critical_path('YOUR TRACE')
GROUP BY service_name, name, kind
ORDER BY ms DESC
