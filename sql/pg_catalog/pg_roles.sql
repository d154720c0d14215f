-- One row a role: who owns everything, and who asks.
SELECT
    oid,
    name AS rolname,
    false AS rolsuper,
    true AS rolinherit,
    false AS rolcreaterole,
    false AS rolcreatedb,
    can_login AS rolcanlogin,
    false AS rolreplication,
    -1 AS rolconnlimit,
    CAST(NULL AS TEXT) AS rolpassword,
    CAST(NULL AS TIMESTAMP) AS rolvaliduntil,
    false AS rolbypassrls,
    CAST(NULL AS TEXT) AS rolconfig
FROM lake.roles
