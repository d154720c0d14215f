-- No rows; the types are there all the same.
SELECT true AS yes, CAST(1 AS smallint) AS small, 1 AS big, arrow_cast(1, 'UInt64') AS unsigned, CAST(1 AS double) AS double,
    CAST(1 AS decimal(10, 2)) AS decimal, 'x' AS text, x'00' AS bytes, DATE '2024-01-01' AS date, INTERVAL '1 day' AS interval,
    arrow_cast('2024-01-01', 'Timestamp(Microsecond, Some("UTC"))') AS time, [1] AS list, {'a': 1} AS struct
WHERE false
