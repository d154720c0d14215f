-- Totals beside groups.
SELECT kind, status_code, count(*) AS rows, grouping(kind) AS all_kinds FROM spans GROUP BY ROLLUP (kind, status_code)
ORDER BY kind NULLS LAST, status_code NULLS LAST
