-- NULL of every type.
SELECT NULL AS untyped, CAST(NULL AS boolean) AS yes, arrow_cast(NULL, 'Int8') AS tiny, CAST(NULL AS smallint) AS small, CAST(NULL AS int) AS int,
    CAST(NULL AS bigint) AS big, arrow_cast(NULL, 'UInt64') AS unsigned, CAST(NULL AS real) AS real, CAST(NULL AS double) AS double,
    CAST(NULL AS decimal(10, 2)) AS decimal, CAST(NULL AS text) AS text, arrow_cast(NULL, 'Binary') AS bytes, CAST(NULL AS date) AS date,
    arrow_cast(NULL, 'Timestamp(Microsecond, Some("UTC"))') AS time, arrow_cast(NULL, 'Time64(Microsecond)') AS time_of_day,
    CAST(NULL AS interval) AS interval, CAST(NULL AS bigint[]) AS list, nullif({'a': 1}, {'a': 1}) AS struct
