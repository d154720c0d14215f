-- Every signed integer at its ends.
SELECT arrow_cast(-128, 'Int8') AS tiny_min, arrow_cast(127, 'Int8') AS tiny_max,
    CAST(-32768 AS smallint) AS small_min, CAST(32767 AS smallint) AS small_max,
    CAST(-2147483648 AS int) AS int_min, CAST(2147483647 AS int) AS int_max,
    arrow_cast('-9223372036854775808', 'Int64') AS big_min, 9223372036854775807 AS big_max, 9007199254740993 AS above_2_53
