-- What a query would read.
EXPLAIN ESTIMATE SELECT body FROM logs WHERE service_name = 'shop'
