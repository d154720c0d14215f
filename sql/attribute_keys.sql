-- One row a key of a table's map and a day (UTC) on which a row had it.
--
--   time                   timestamp, start of the day
--   table_name             text: logs, spans or metrics
--   map_name               text: attributes, resource_attributes or scope_attributes
--   key                    text, `http.route`
--   stored_rows            bigint, rows that have it; a duplicate span is a row
--   services               bigint, distinct service_name among them
--   first_seen, last_seen  timestamp, of that day
-- What values a key has: `attribute_values`.
--
-- Cost: bounded by `time`, in whole days, and by `table_name` and `map_name`, which leave out what they don't name: a
-- map is read whole. In memory are the sets of keys that go together, which are few.
SELECT
    time,
    table_name,
    map_name,
    key,
    sum(stored_rows) AS stored_rows,
    count(DISTINCT service_name) AS services,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
FROM (
    SELECT time, table_name, map_name, service_name, stored_rows, first_seen, last_seen, unnest(keys) AS key
    FROM (
        SELECT
            date_trunc('day', time) AS time, 'logs' AS table_name, 'attributes' AS map_name,
            service_name, map_keys(attributes) AS keys, count(*) AS stored_rows, min(time) AS first_seen,
            max(time) AS last_seen
        FROM logs
        WHERE cardinality(attributes) > 0 AND in_asked_time(date, INTERVAL '0', INTERVAL '0')
        GROUP BY date_trunc('day', time), service_name, map_keys(attributes)

        UNION ALL

        SELECT
            date_trunc('day', time) AS time, 'logs' AS table_name, 'resource_attributes' AS map_name,
            service_name, map_keys(resource_attributes) AS keys, count(*) AS stored_rows, min(time) AS first_seen,
            max(time) AS last_seen
        FROM logs
        WHERE cardinality(resource_attributes) > 0 AND in_asked_time(date, INTERVAL '0', INTERVAL '0')
        GROUP BY date_trunc('day', time), service_name, map_keys(resource_attributes)

        UNION ALL

        SELECT
            date_trunc('day', time) AS time, 'logs' AS table_name, 'scope_attributes' AS map_name,
            service_name, map_keys(scope_attributes) AS keys, count(*) AS stored_rows, min(time) AS first_seen,
            max(time) AS last_seen
        FROM logs
        WHERE cardinality(scope_attributes) > 0 AND in_asked_time(date, INTERVAL '0', INTERVAL '0')
        GROUP BY date_trunc('day', time), service_name, map_keys(scope_attributes)

        UNION ALL

        SELECT
            date_trunc('day', time) AS time, 'spans' AS table_name, 'attributes' AS map_name,
            service_name, map_keys(attributes) AS keys, count(*) AS stored_rows, min(time) AS first_seen,
            max(time) AS last_seen
        FROM spans
        WHERE cardinality(attributes) > 0 AND in_asked_time(date, INTERVAL '0', INTERVAL '0')
        GROUP BY date_trunc('day', time), service_name, map_keys(attributes)

        UNION ALL

        SELECT
            date_trunc('day', time) AS time, 'spans' AS table_name, 'resource_attributes' AS map_name,
            service_name, map_keys(resource_attributes) AS keys, count(*) AS stored_rows, min(time) AS first_seen,
            max(time) AS last_seen
        FROM spans
        WHERE cardinality(resource_attributes) > 0 AND in_asked_time(date, INTERVAL '0', INTERVAL '0')
        GROUP BY date_trunc('day', time), service_name, map_keys(resource_attributes)

        UNION ALL

        SELECT
            date_trunc('day', time) AS time, 'spans' AS table_name, 'scope_attributes' AS map_name,
            service_name, map_keys(scope_attributes) AS keys, count(*) AS stored_rows, min(time) AS first_seen,
            max(time) AS last_seen
        FROM spans
        WHERE cardinality(scope_attributes) > 0 AND in_asked_time(date, INTERVAL '0', INTERVAL '0')
        GROUP BY date_trunc('day', time), service_name, map_keys(scope_attributes)

        UNION ALL

        SELECT
            date_trunc('day', time) AS time, 'metrics' AS table_name, 'attributes' AS map_name,
            service_name, map_keys(attributes) AS keys, count(*) AS stored_rows, min(time) AS first_seen,
            max(time) AS last_seen
        FROM metrics
        WHERE cardinality(attributes) > 0 AND in_asked_time(date, INTERVAL '0', INTERVAL '0')
        GROUP BY date_trunc('day', time), service_name, map_keys(attributes)

        UNION ALL

        SELECT
            date_trunc('day', time) AS time, 'metrics' AS table_name, 'resource_attributes' AS map_name,
            service_name, map_keys(resource_attributes) AS keys, count(*) AS stored_rows, min(time) AS first_seen,
            max(time) AS last_seen
        FROM metrics
        WHERE cardinality(resource_attributes) > 0 AND in_asked_time(date, INTERVAL '0', INTERVAL '0')
        GROUP BY date_trunc('day', time), service_name, map_keys(resource_attributes)

        UNION ALL

        SELECT
            date_trunc('day', time) AS time, 'metrics' AS table_name, 'scope_attributes' AS map_name,
            service_name, map_keys(scope_attributes) AS keys, count(*) AS stored_rows, min(time) AS first_seen,
            max(time) AS last_seen
        FROM metrics
        WHERE cardinality(scope_attributes) > 0 AND in_asked_time(date, INTERVAL '0', INTERVAL '0')
        GROUP BY date_trunc('day', time), service_name, map_keys(scope_attributes)
    ) AS key_sets
) AS keys_of_rows
GROUP BY time, table_name, map_name, key
