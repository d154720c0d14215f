-- A CTE, and one that calls itself.
WITH RECURSIVE steps AS (SELECT 1 AS n, 'a' AS text UNION ALL SELECT n + 1, text || 'b' FROM steps WHERE n < 6),
    even AS (SELECT n FROM steps WHERE n % 2 = 0)
SELECT steps.n, text, even.n IS NOT NULL AS is_even FROM steps LEFT JOIN even ON steps.n = even.n ORDER BY steps.n
