-- Which messages are logged most, whatever their numbers and ids?
SELECT service_name, message_pattern(body) AS pattern, count(*) AS logs, min(body) AS example
FROM logs
WHERE time >= now() - INTERVAL '1 hour'
GROUP BY service_name, message_pattern(body)
ORDER BY logs DESC
LIMIT 20
