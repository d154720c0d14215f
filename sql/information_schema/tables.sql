-- One row a table or view.
SELECT
    'telestrata' AS table_catalog,
    schema_name AS table_schema,
    name AS table_name,
    CASE kind WHEN 'v' THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type,
    CAST(NULL AS TEXT) AS self_referencing_column_name,
    CAST(NULL AS TEXT) AS reference_generation,
    CAST(NULL AS TEXT) AS user_defined_type_catalog,
    CAST(NULL AS TEXT) AS user_defined_type_schema,
    CAST(NULL AS TEXT) AS user_defined_type_name,
    'NO' AS is_insertable_into,
    'NO' AS is_typed,
    CAST(NULL AS TEXT) AS commit_action
FROM lake.relations
