-- psql 15.18 (Debian), `\dA`: the statements that PostgreSQL 15.18 logged.
SELECT amname AS "Name",
  CASE amtype WHEN 'i' THEN 'Index' WHEN 't' THEN 'Table' END AS "Type"
FROM pg_catalog.pg_am
ORDER BY 1
