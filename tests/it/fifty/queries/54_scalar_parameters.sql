-- Parameters: text that must be quoted, doubles, booleans.
-- params: [{"type": "text", "value": "it's \"so\"; --"}, {"type": "double", "value": 0.1}, {"type": "boolean", "value": true}, {"type": "text", "value": ""}]
SELECT CAST($1 AS text) AS text, CAST($2 AS double) AS double, CAST($3 AS boolean) AS yes, CAST($4 AS text) AS empty
