-- Times as the tables have them: UTC, microseconds, before 1970 too.
SELECT arrow_cast(text, 'Timestamp(Microsecond, Some("UTC"))') AS time
FROM (VALUES (1, '1969-12-31T23:59:59.999999Z'), (2, '1970-01-01T00:00:00Z'), (3, '1901-02-03T04:05:06.000001Z'),
    (4, '2024-02-29T12:34:56.789Z'), (5, '2023-11-14T22:13:20.000001Z'), (6, '0001-01-01T00:00:00Z'), (7, '9999-12-31T23:59:59.999999Z')) AS v (n, text)
ORDER BY n
