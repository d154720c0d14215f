-- A plan.
EXPLAIN SELECT 1 + 1 AS two WHERE 1 = 1
