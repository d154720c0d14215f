-- Sets of rows, of types that must meet.
(SELECT 1 AS n, 'one' AS text UNION ALL SELECT 2.5, NULL UNION SELECT 1, 'one' UNION ALL SELECT arrow_cast(7, 'UInt64'), '')
EXCEPT SELECT 9, 'nine' ORDER BY n, text
