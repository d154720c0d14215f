-- Parameters: integers, from smallest to largest.
-- params: [{"type": "bigint", "value": 17}, {"type": "bigint", "value": -9223372036854775808}, {"type": "int", "value": 3}]
SELECT count(*) AS rows, $2 AS least, CAST($3 AS int) + 1 AS four FROM logs WHERE severity_number >= $1
