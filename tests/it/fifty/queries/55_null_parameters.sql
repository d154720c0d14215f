-- Parameters: NULL of types.
-- params: [{"type": "text", "value": null}, {"type": "bigint", "value": null}, {"type": "timestamp", "value": null}]
SELECT CAST($1 AS text) IS NULL AS text, CAST($2 AS bigint) AS big, coalesce(CAST($3 AS timestamp), TIMESTAMP '2024-01-01') AS time
