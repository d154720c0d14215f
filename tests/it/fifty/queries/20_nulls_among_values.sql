-- NULLs in the rows of a column, first, last and between.
SELECT * FROM (VALUES (1, NULL, 'a', NULL, DATE '2024-01-01'), (2, 1.5, NULL, true, NULL), (3, NULL, '', false, NULL), (4, -2.5, 'd', NULL, DATE '1969-01-01'))
    AS v (n, double, text, yes, day) ORDER BY n
