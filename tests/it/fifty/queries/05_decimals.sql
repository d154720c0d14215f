-- Decimals: all digits, signs, scales, zeros kept.
SELECT CAST('12345678901234567890123456789012345678' AS decimal(38, 0)) AS digits, CAST('-0.01' AS decimal(10, 2)) AS small,
    CAST('99999.99999' AS decimal(10, 5)) AS fraction, CAST(0 AS decimal(5, 3)) AS zero, CAST('1.50' AS decimal(9, 2)) AS padded
