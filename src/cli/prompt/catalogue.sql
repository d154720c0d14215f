SELECT CASE WHEN table_schema = 'system' THEN 'system.' || table_name ELSE table_name END AS relation, column_name
FROM information_schema.columns
WHERE table_schema IN ('public', 'system')
ORDER BY relation, ordinal_position
