-- Which errors are new today?
--
-- Seen in the last day and in none of the week before it.
SELECT e.service_name, e.signal, e.type, min(e.message) AS message, min(e.first_seen) AS first_seen, sum(e.count) AS count
FROM errors AS e
LEFT ANTI JOIN (
    SELECT fingerprint
    FROM errors
    WHERE time >= date_trunc('day', now()) - INTERVAL '8 days' AND time < date_trunc('day', now()) - INTERVAL '1 day'
) AS known
ON e.fingerprint = known.fingerprint
WHERE e.time >= date_trunc('day', now()) - INTERVAL '1 day'
GROUP BY e.service_name, e.signal, e.type, e.fingerprint
ORDER BY count DESC
