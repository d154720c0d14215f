-- What fills the disk?
SELECT table_name, date, count(*) AS files, sum(row_count) AS stored_rows, round(sum(size_bytes) / 1e6, 1) AS megabytes
FROM system.files
GROUP BY table_name, date
ORDER BY megabytes DESC
LIMIT 20
