-- What is inside of nested columns.
SELECT span_id, event['name'] AS name, event['time'] AS time, event['attributes'] AS attributes, cardinality(links) AS links
FROM (SELECT span_id, links, unnest(events) AS event FROM spans WHERE attributes['batch'] = 'hot') ORDER BY span_id, name
