-- One row a schema.
SELECT
    'telestrata' AS catalog_name,
    name AS schema_name,
    'telestrata' AS schema_owner,
    CAST(NULL AS TEXT) AS default_character_set_catalog,
    CAST(NULL AS TEXT) AS default_character_set_schema,
    CAST(NULL AS TEXT) AS default_character_set_name,
    CAST(NULL AS TEXT) AS sql_path
FROM lake.schemas
