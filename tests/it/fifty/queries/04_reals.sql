-- The same in 32 bits.
SELECT CAST('NaN' AS real) AS nan, CAST('inf' AS real) AS inf, CAST('-inf' AS real) AS minus_inf,
    CAST(-0.0 AS real) AS minus_zero, CAST(0.1 AS real) AS tenth, CAST(3.4028235e38 AS real) AS largest
