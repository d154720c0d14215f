-- psql 15, the tab key after `select * from l`, `\d l` and `select ... from logs where `: not recorded, but written by hand in the shape of what it asks.
SELECT c.relname, NULL::pg_catalog.text
FROM pg_catalog.pg_class c
WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND (c.relname) LIKE 'l%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog')
UNION ALL
SELECT NULL::pg_catalog.text, n.nspname
FROM pg_catalog.pg_namespace n
WHERE n.nspname LIKE 'l%' AND (pg_catalog.has_schema_privilege(n.oid, 'USAGE'))
LIMIT 1000
;
SELECT a.attname
FROM pg_catalog.pg_attribute a, pg_catalog.pg_class c
WHERE c.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped AND (a.attname) LIKE 't%' AND c.relname = 'logs' AND pg_catalog.pg_table_is_visible(c.oid)
LIMIT 1000
