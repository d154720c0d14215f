SELECT trace_id, max(time) AS newest
FROM spans
WHERE
    trace_id IS NOT NULL
    AND time >= $1 AND time <= $2
    AND ($3 IS NULL OR service_name = $3)
    AND ($4 IS NULL OR name = $4)
    AND ($5 IS NULL OR duration_nano >= $5)
    AND ($6 IS NULL OR duration_nano <= $6)
    {tags}
GROUP BY trace_id
ORDER BY newest DESC, trace_id
LIMIT $7
