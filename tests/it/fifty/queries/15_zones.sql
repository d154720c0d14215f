-- One moment, in zones that are not UTC.
SELECT arrow_cast('2024-02-29T12:00:00Z', 'Timestamp(Microsecond, Some("+05:45"))') AS kathmandu,
    arrow_cast('2024-02-29T12:00:00Z', 'Timestamp(Microsecond, Some("+00:00"))') AS zero,
    arrow_cast('2024-02-29T12:00:00Z', 'Timestamp(Millisecond, Some("-08:00"))') AS pacific
