-- One row a table; nothing is counted.
SELECT
    oid AS relid,
    schema_name AS schemaname,
    name AS relname,
    CAST(NULL AS BIGINT) AS seq_scan,
    CAST(NULL AS BIGINT) AS idx_scan,
    CAST(NULL AS BIGINT) AS n_tup_ins,
    CAST(NULL AS BIGINT) AS n_live_tup,
    CAST(NULL AS BIGINT) AS n_dead_tup
FROM lake.relations
WHERE kind = 'r' AND NOT is_system
