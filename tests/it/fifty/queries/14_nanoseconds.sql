-- Nanoseconds, which not every door can say: those have microseconds.
SELECT arrow_cast('2024-02-29T12:34:56.123456789', 'Timestamp(Nanosecond, None)') AS plain,
    arrow_cast('1969-12-31T23:59:59.123456789Z', 'Timestamp(Nanosecond, Some("UTC"))') AS zoned
