-- One row a schema.
SELECT oid, name AS nspname, 10 AS nspowner, CAST(NULL AS TEXT) AS nspacl
FROM lake.schemas
