-- Two columns of one name.
SELECT a.n, b.n, a.n AS n_2 FROM (VALUES (1)) AS a (n) CROSS JOIN (VALUES (2)) AS b (n)
