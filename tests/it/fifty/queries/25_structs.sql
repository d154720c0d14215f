-- Structs: nested, with NULLs, of times.
SELECT {'a': 1, 'b': {'c': 'x', 'd': NULL}} AS nested,
    named_struct('time', arrow_cast('1969-12-31T23:59:59.5Z', 'Timestamp(Microsecond, Some("UTC"))'), 'day', DATE '2024-02-29', 'list', [1, 2]) AS mixed
