-- Bytes: none, zero, those that are no UTF-8; in each of their forms.
SELECT x'' AS none, x'00ff80' AS bytes, x'68656c6c6f' AS ascii, arrow_cast(x'0102', 'LargeBinary') AS large,
    arrow_cast(x'010203', 'FixedSizeBinary(3)') AS fixed, arrow_cast(x'00ff', 'BinaryView') AS view
