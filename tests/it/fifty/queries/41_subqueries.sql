-- Subqueries: scalar, EXISTS, IN, correlated.
SELECT s.service_name, count(*) AS spans, (SELECT count(*) FROM logs) AS logs
FROM spans s WHERE EXISTS (SELECT 1 FROM metrics m WHERE m.service_name = s.service_name)
    AND s.service_name IN (SELECT service_name FROM logs WHERE severity_number >= 17)
GROUP BY s.service_name ORDER BY s.service_name
