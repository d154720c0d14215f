-- Who calls whom, how often, and how does it go?
SELECT
    client,
    server,
    connection_type,
    sum(calls) AS calls,
    sum(errors) AS errors,
    round(max(p95_ms), 1) AS worst_minute_p95_ms
FROM service_edges
WHERE time >= now() - INTERVAL '1 hour'
GROUP BY client, server, connection_type
ORDER BY calls DESC
