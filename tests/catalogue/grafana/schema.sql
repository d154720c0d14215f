-- Grafana 13's server (schema.go, for its SQL expressions and assistant): schemas, tables, columns, a column's values.
-- Not Grafana's text, which is not ours to copy: the same shape. With pgx's extended protocol, statements cached by name.
SELECT schema_name FROM information_schema.schemata WHERE schema_name <> 'information_schema' AND schema_name NOT LIKE 'pg_%' ORDER BY schema_name
;
-- parameters: $1 = 'public'
SELECT table_name FROM information_schema.tables WHERE table_type IN ('VIEW', 'BASE TABLE') AND table_schema = $1 ORDER BY table_name
;
-- parameters: $1 = 'public', $2 = 'logs'
SELECT column_name, data_type, udt_name, numeric_precision, numeric_scale FROM information_schema.columns WHERE table_name = $2 AND table_schema = $1 ORDER BY ordinal_position
;
SELECT 'severity_text' AS col_name, "severity_text"::text AS val FROM (SELECT DISTINCT "severity_text" FROM "public"."logs" WHERE "severity_text" IS NOT NULL ORDER BY "severity_text" LIMIT 100) values_0 UNION ALL SELECT 'severity_number' AS col_name, "severity_number"::text AS val FROM (SELECT DISTINCT "severity_number" FROM "public"."logs" WHERE "severity_number" IS NOT NULL ORDER BY "severity_number" LIMIT 100) values_1
