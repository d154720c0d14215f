-- A parameter that is a list.
-- params: [{"type": "text[]", "value": ["shop", "it's", ""]}]
SELECT service_name, count(*) AS rows FROM spans WHERE service_name = ANY($1) GROUP BY 1 ORDER BY 1
