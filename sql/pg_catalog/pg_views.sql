-- One row a view.
SELECT schema_name AS schemaname, name AS viewname, 'telestrata' AS viewowner, definition
FROM lake.relations
WHERE kind = 'v'
