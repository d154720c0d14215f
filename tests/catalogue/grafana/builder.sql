-- What Grafana's query builder makes of a table, columns, filters and groups chosen (toRawSql), macros expanded.
SELECT service_name, COUNT(trace_id) AS "spans" FROM spans WHERE time BETWEEN '2026-11-22T20:00:00Z' AND '2026-11-22T21:00:00Z' GROUP BY service_name LIMIT 50
;
SELECT floor(extract(epoch from time)/60)*60 AS "time", AVG(duration_nano) AS "duration" FROM spans WHERE (kind = 'SERVER' AND time BETWEEN '2026-11-22T20:00:00Z' AND '2026-11-22T21:00:00Z') GROUP BY floor(extract(epoch from time)/60)*60 ORDER BY floor(extract(epoch from time)/60)*60 ASC LIMIT 50
;
SELECT time_bucket('60.000s',time) AS "time", MAX(duration_nano) FROM public.spans WHERE time BETWEEN '2026-11-22T20:00:00Z' AND '2026-11-22T21:00:00Z' GROUP BY 1
;
SELECT table_name, COUNT(path) FROM system.files GROUP BY table_name LIMIT 50
