SELECT DISTINCT routine_name
FROM information_schema.routines
ORDER BY routine_name
