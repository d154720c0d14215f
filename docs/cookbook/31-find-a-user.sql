-- Where does this user appear?
--
-- `telestrata sql "SELECT * FROM attribute_keys WHERE ..."` tells which keys there are to look for.
SELECT time, service_name, name, status_code, duration_nano / 1e6 AS duration_ms, trace_id
FROM spans
WHERE time >= now() - INTERVAL '1 day' AND attr('user.id') = 'u00163'
ORDER BY time DESC
LIMIT 50
