-- The columns of a table, as information_schema has them.
SELECT table_name, column_name, ordinal_position, is_nullable, data_type FROM information_schema.columns
WHERE table_schema = 'public' AND table_name IN ('logs', 'traces') ORDER BY table_name, ordinal_position
