-- Doubles that are no numbers, that have a sign and nothing else, that are huge, tiny, and not exact.
SELECT CAST('NaN' AS double) AS nan, CAST('inf' AS double) AS inf, CAST('-inf' AS double) AS minus_inf,
    CAST(-0.0 AS double) AS minus_zero, CAST(0 AS double) AS zero, CAST(1.7976931348623157e308 AS double) AS largest,
    CAST(5e-324 AS double) AS smallest, CAST(0.1 AS double) + CAST(0.2 AS double) AS sum, CAST(1e15 AS double) AS whole
