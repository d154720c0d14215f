-- attribute_values(table, key, since = NULL, until = NULL)
-- One row a value that rows of a table have for a key.
--
--   table                  'logs', 'spans' or 'metrics'
--   key                    'http.route': its value is the record's, else the scope's, else the resource's, as of attr()
--   since, until           timestamps: of rows from the one on and before the other; of all where NULL
-- gives
--   value                  text
--   stored_rows            bigint, rows that have it; a duplicate span is a row
--   first_seen, last_seen  timestamp
-- Rows without the key are not counted. Which keys there are: `attribute_keys`.
--
-- Cost: the rows of that table between `since` and `until`, no other table: of a promoted key its column, of another
-- all three maps.
SELECT value, count(*) AS stored_rows, min(time) AS first_seen, max(time) AS last_seen
FROM (
    SELECT attr($key) AS value, time
    FROM logs
    WHERE
        $table = 'logs' AND ($since IS NULL OR time >= CAST($since AS TIMESTAMP WITH TIME ZONE))
        AND ($until IS NULL OR time < CAST($until AS TIMESTAMP WITH TIME ZONE))

    UNION ALL

    SELECT attr($key) AS value, time
    FROM spans
    WHERE
        $table = 'spans' AND ($since IS NULL OR time >= CAST($since AS TIMESTAMP WITH TIME ZONE))
        AND ($until IS NULL OR time < CAST($until AS TIMESTAMP WITH TIME ZONE))

    UNION ALL

    SELECT attr($key) AS value, time
    FROM metrics
    WHERE
        $table = 'metrics' AND ($since IS NULL OR time >= CAST($since AS TIMESTAMP WITH TIME ZONE))
        AND ($until IS NULL OR time < CAST($until AS TIMESTAMP WITH TIME ZONE))
) AS looked_up
WHERE value IS NOT NULL
GROUP BY value
