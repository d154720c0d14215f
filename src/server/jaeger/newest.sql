SELECT max(date) AS newest FROM spans
