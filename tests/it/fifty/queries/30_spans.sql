-- Every column of spans that does not tell when the test ran: lists of structs with maps in them.
SELECT * EXCLUDE (ingest_time) FROM spans WHERE attributes['batch'] = 'cold' ORDER BY time, time_nanos, service_name, span_id
