SELECT max(date) AS date FROM {table}
