-- Few records differ in their keys, so distinct lists of them are few.
SELECT DISTINCT
    map_keys(attributes) AS attributes,
    map_keys(scope_attributes) AS scope_attributes,
    map_keys(resource_attributes) AS resource_attributes
FROM (
    SELECT attributes, scope_attributes, resource_attributes
    FROM {table}
    WHERE date = DATE '{date}' AND time >= TIMESTAMP '{since}'
    LIMIT {rows}
)
LIMIT 5000
