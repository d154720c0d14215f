-- Times in buckets.
SELECT date_bin(INTERVAL '1 hour', time) AS hour, date_trunc('day', time) AS day, date, extract(hour FROM time) AS hour_of_day,
    to_char(time, '%Y-%m-%d') AS text, count(*) AS rows
FROM logs GROUP BY 1, 2, 3, 4, 5 ORDER BY 1
