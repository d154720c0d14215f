-- Times without a zone, in every unit.
SELECT arrow_cast('1969-12-31T23:59:59', 'Timestamp(Second, None)') AS s, arrow_cast('1969-12-31T23:59:59.123', 'Timestamp(Millisecond, None)') AS ms,
    arrow_cast('1969-12-31T23:59:59.123456', 'Timestamp(Microsecond, None)') AS us, TIMESTAMP '2024-02-29 12:34:56.789012' AS literal,
    to_timestamp(0) AS epoch, date_trunc('hour', TIMESTAMP '2024-02-29 12:34:56') AS hour
