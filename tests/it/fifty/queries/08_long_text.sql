-- Two megabytes in a cell, of characters that are longer than a byte.
SELECT repeat('ä1', 700000) AS long, length(repeat('ä1', 700000)) AS characters
