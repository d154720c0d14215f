-- A view that groups, and one that unnests.
SELECT r.service_name, r.requests, e.links FROM (SELECT service_name, count(*) AS requests FROM requests GROUP BY 1) AS r
LEFT JOIN (SELECT service_name, count(*) AS links FROM span_links GROUP BY 1) AS e ON r.service_name = e.service_name ORDER BY 1
