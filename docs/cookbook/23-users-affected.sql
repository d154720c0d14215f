-- Which users met errors, and how many users in all?
SELECT user_id, count(*) AS errors, count(*) OVER () AS users_affected, max(trace_id) AS trace_id
FROM spans
WHERE time >= now() - INTERVAL '1 day' AND status_code = 'ERROR' AND user_id IS NOT NULL
GROUP BY user_id
ORDER BY errors DESC, user_id
LIMIT 20
