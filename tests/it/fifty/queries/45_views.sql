-- A view of traces.
SELECT * FROM traces ORDER BY trace_id
