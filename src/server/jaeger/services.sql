SELECT service_name
FROM spans
WHERE date > $1
GROUP BY service_name
ORDER BY service_name
LIMIT 10000
