-- Every table, view and macro, with what one row of it is where that is known here.
SELECT name, kind, summary
FROM (
    SELECT
        CASE WHEN t.table_schema = 'system' THEN 'system.' || t.table_name ELSE t.table_name END AS name,
        CASE WHEN t.table_schema = 'system' THEN 'system' WHEN t.table_type = 'VIEW' THEN 'view' ELSE 'table' END AS kind,
        v.summary
    FROM information_schema.tables AS t
    LEFT JOIN system.views AS v ON t.table_schema = 'public' AND t.table_name = v.name AND v.kind = 'view'
    WHERE t.table_schema IN ('public', 'system')

    UNION ALL

    SELECT usage AS name, kind, summary
    FROM system.views
    WHERE kind = 'macro'
) AS relations
ORDER BY CASE kind WHEN 'table' THEN 1 WHEN 'view' THEN 2 WHEN 'macro' THEN 3 ELSE 4 END, name
