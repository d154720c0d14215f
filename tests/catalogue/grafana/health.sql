-- Grafana, "Save & test" and the pool's checks: pgx's Ping (12.3 and later), lib/pq's Ping (before), an empty answer each.
-- ping
;

;
SELECT 1
;
