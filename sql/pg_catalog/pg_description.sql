-- One row a comment: of a schema, a table or view, a column, a function. The class is that of PostgreSQL's own catalogue.
SELECT oid AS objoid, 2615 AS classoid, 0 AS objsubid, comment AS description
FROM lake.schemas WHERE comment IS NOT NULL
UNION ALL
SELECT oid, 1259, 0, comment FROM lake.relations WHERE comment IS NOT NULL
UNION ALL
SELECT relation_oid, 1259, CAST(number AS INT), comment FROM lake.columns WHERE comment IS NOT NULL
UNION ALL
SELECT oid, 1255, 0, comment FROM lake.functions WHERE comment IS NOT NULL
