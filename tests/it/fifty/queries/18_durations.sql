-- What the difference of two times is.
SELECT TIMESTAMP '2024-01-01 00:00:00' - TIMESTAMP '2023-12-31 23:59:59.5' AS ahead,
    arrow_cast(1500000, 'Duration(Microsecond)') AS microseconds, arrow_cast(-1500, 'Duration(Millisecond)') AS behind,
    DATE '2024-03-01' - DATE '2024-02-01' AS days
