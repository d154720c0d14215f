-- Times of day.
SELECT arrow_cast('23:59:59.999999', 'Time64(Microsecond)') AS last, arrow_cast('00:00:00', 'Time64(Microsecond)') AS first,
    arrow_cast('01:02:03', 'Time32(Second)') AS seconds, arrow_cast('01:02:03.004', 'Time32(Millisecond)') AS milliseconds
