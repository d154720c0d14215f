-- Lists: with NULLs, empty, of lists, of texts that must be quoted.
SELECT [1, 2, NULL] AS numbers, CAST([] AS bigint[]) AS empty, [[1], [2, 3]] AS nested, ['x', '', 'a,b', 'q"', NULL] AS texts,
    [CAST(1.5 AS double), CAST('NaN' AS double)] AS doubles, [true, NULL] AS booleans
