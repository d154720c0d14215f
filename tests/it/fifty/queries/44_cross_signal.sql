-- Logs with the spans they were written in: a view across signals.
SELECT time, body, trace_id, span_name, span_duration_ms, span_time FROM span_logs WHERE attributes['batch'] = 'cold'
ORDER BY time, time_nanos, body, trace_id
