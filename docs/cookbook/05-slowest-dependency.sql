-- Which dependency makes checkouts slow?
--
-- For each call that a trace of a checkout made to another service, database or API: how much of the checkout's time
-- it took, over the last hour. A call to a service contains the calls that it makes in turn: of nearly equal rows the last is
-- the one to look at.
WITH checkouts AS (
    SELECT trace_id, duration_ms
    FROM requests
    WHERE time >= now() - INTERVAL '1 hour' AND operation = 'POST /api/checkout'
),

calls AS (
    SELECT trace_id, coalesce(server_address, db_system_name, messaging_destination_name, name) AS dependency, duration_nano
    FROM spans
    WHERE time >= now() - INTERVAL '1 hour' AND kind IN ('CLIENT', 'PRODUCER')
)

SELECT
    c.dependency,
    count(DISTINCT c.trace_id) AS checkouts,
    round(sum(c.duration_nano) / 1e6 / count(DISTINCT c.trace_id), 1) AS ms_per_checkout,
    round(approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY c.duration_nano / 1e6), 1) AS call_p95_ms
FROM checkouts AS k
JOIN calls AS c ON c.trace_id = k.trace_id
GROUP BY c.dependency
ORDER BY ms_per_checkout DESC
