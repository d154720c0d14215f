-- Aggregates, of no rows too, with FILTER and DISTINCT.
SELECT severity_number, count(*) AS rows, count(body) AS bodies, count(DISTINCT service_name) AS services, sum(severity_number) AS sum,
    avg(severity_number) AS avg, min(time) AS first, max(body) AS greatest, count(*) FILTER (WHERE trace_id IS NULL) AS without_trace,
    bool_or(body = '') AS any_empty, max(flags) AS nothing
FROM logs GROUP BY severity_number ORDER BY severity_number
