-- One row a role that may sign in.
SELECT
    name AS usename,
    oid AS usesysid,
    false AS usecreatedb,
    false AS usesuper,
    false AS userepl,
    false AS usebypassrls,
    CAST(NULL AS TEXT) AS passwd,
    CAST(NULL AS TIMESTAMP) AS valuntil,
    CAST(NULL AS TEXT) AS useconfig
FROM lake.roles
WHERE can_login
