-- Every unsigned integer at its end.
SELECT arrow_cast(255, 'UInt8') AS tiny, CAST(65535 AS smallint unsigned) AS small, CAST(4294967295 AS int unsigned) AS int,
    arrow_cast(18446744073709551615, 'UInt64') AS big, arrow_cast(0, 'UInt64') AS zero
