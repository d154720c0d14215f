-- Columns that nobody named.
SELECT 1, 'x', count(*), 1 + 1, upper('y') FROM generate_series(1, 2)
