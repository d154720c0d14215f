-- Text that someone quotes, cuts or takes for NULL.
SELECT '' AS empty, ' ' AS blank, 'NULL' AS null_word, 'it''s "so", he said' AS quotes, E'a\tb\nc\r\nd' AS lines, 'a\nb' AS backslash,
    '{"a": [1, null]}' AS json, '007' AS zeros, 'true' AS true_word, '{1,2}' AS braces
