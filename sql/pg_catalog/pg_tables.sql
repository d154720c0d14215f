-- One row a table.
SELECT
    schema_name AS schemaname,
    name AS tablename,
    'telestrata' AS tableowner,
    CAST(NULL AS TEXT) AS tablespace,
    false AS hasindexes,
    false AS hasrules,
    false AS hastriggers,
    false AS rowsecurity
FROM lake.relations
WHERE kind = 'r'
