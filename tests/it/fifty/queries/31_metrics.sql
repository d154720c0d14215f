-- Every column of metrics that does not tell when the test ran: histograms, quantiles, exemplars.
SELECT * EXCLUDE (ingest_time) FROM metrics WHERE attributes['batch'] = 'cold' ORDER BY metric_name, service_name, time, time_nanos, series_id
