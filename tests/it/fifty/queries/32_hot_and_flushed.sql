-- Rows in files and rows in memory, as one table.
SELECT attributes['batch'] AS batch, count(*) AS rows, min(time) AS first, max(time) AS last, count(DISTINCT trace_id) AS traces
FROM spans GROUP BY 1 ORDER BY 1
