-- No rows of a table, of every column that it has.
SELECT * FROM spans WHERE service_name = 'nobody'
