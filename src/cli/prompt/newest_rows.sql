SELECT count(*) AS records, max(time) AS newest FROM {table} WHERE date = DATE '{date}'
