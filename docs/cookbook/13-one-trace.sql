-- What happened in this trace, in order?
--
-- Spans, their events, logs and exemplars of all services. `telestrata trace ID` draws it.
SELECT time, time_nanos, signal, service_name, name, level, duration_ms, text
FROM trace_timeline
WHERE trace_id = 'YOUR TRACE'
