-- Every column of logs that does not tell when the test ran.
SELECT * EXCLUDE (ingest_time) FROM logs WHERE attributes['batch'] = 'cold'
ORDER BY time, time_nanos, service_name, body, attributes['größe'], severity_number, event_name, trace_id
