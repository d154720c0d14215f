-- Which services write most of the logs?
SELECT
    service_name,
    level_name(severity_number) AS level,
    count(*) AS logs,
    round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS percent,
    round(sum(octet_length(body)) / 1e6, 2) AS megabytes_of_text
FROM logs
WHERE time >= now() - INTERVAL '1 day'
GROUP BY service_name, level_name(severity_number)
ORDER BY logs DESC
LIMIT 20
