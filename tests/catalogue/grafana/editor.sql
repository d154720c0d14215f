-- Grafana's data source page and query editor (postgresMetaQuery.ts of 11 to 13): version, TimescaleDB, schemas, tables, columns.
-- Not Grafana's text, which is not ours to copy: the same functions, in the same places. Each is a simple Query.
SELECT current_setting('server_version_num')::int / 100 AS version
;
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'
;
SELECT schema_name AS "name" FROM information_schema.schemata WHERE schema_name NOT IN ('pg_catalog', 'information_schema', 'pg_toast', '_timescaledb_catalog') ORDER BY schema_name
;
SELECT quote_ident(table_name) AS "table" FROM information_schema.tables WHERE quote_ident(table_schema) = 'public' ORDER BY 1
;
SELECT CASE WHEN quote_ident(table_schema) IN (SELECT CASE WHEN trim(part[n]) = '"$user"' THEN user ELSE trim(part[n]) END FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1), array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS n, string_to_array(current_setting('search_path'), ',') part) THEN quote_ident(table_name) ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS "table" FROM information_schema.tables WHERE quote_ident(table_schema) NOT IN ('pg_catalog', 'information_schema', '_timescaledb_catalog') ORDER BY CASE WHEN quote_ident(table_schema) IN (SELECT CASE WHEN trim(part[n]) = '"$user"' THEN user ELSE trim(part[n]) END FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1), array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS n, string_to_array(current_setting('search_path'), ',') part) THEN 0 ELSE 1 END, 1
;
SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns WHERE CASE WHEN array_length(parse_ident('logs'), 1) = 2 THEN quote_ident(table_schema) = (parse_ident('logs'))[1] AND quote_ident(table_name) = (parse_ident('logs'))[2] ELSE quote_ident(table_name) = 'logs' AND quote_ident(table_schema) IN (SELECT CASE WHEN trim(part[n]) = '"$user"' THEN user ELSE trim(part[n]) END FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1), array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS n, string_to_array(current_setting('search_path'), ',') part) END
;
SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns WHERE CASE WHEN array_length(parse_ident('public.logs'), 1) = 2 THEN quote_ident(table_schema) = (parse_ident('public.logs'))[1] AND quote_ident(table_name) = (parse_ident('public.logs'))[2] ELSE quote_ident(table_name) = 'public.logs' END
