SELECT name, CASE kind WHEN 'UNSPECIFIED' THEN '' ELSE lower(kind) END AS span_kind
FROM spans
WHERE date > $1 AND service_name = $2 AND ($3 IS NULL OR kind = $3)
GROUP BY name, kind
ORDER BY name, kind
LIMIT 10000
