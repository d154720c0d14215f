-- Parameters: times and dates.
-- params: [{"type": "timestamp", "value": "2023-11-14T22:13:20Z"}, {"type": "timestamp", "value": "2023-11-15T00:00:00.000001Z"}, {"type": "date", "value": "2023-11-14"}]
SELECT count(*) AS rows, min(time) AS first, max(time) AS last FROM spans WHERE time >= $1 AND time < $2 AND date = $3
