SELECT client AS parent, server AS child, CAST(sum(calls) AS BIGINT) AS call_count
FROM service_edges
WHERE
    time >= $1 AND time < $2
    AND connection_type <> 'virtual_node'
    AND ($3 IS NULL OR client = $3 OR server = $3)
GROUP BY client, server
ORDER BY client, server
