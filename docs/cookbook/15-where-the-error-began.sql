-- In which span did the error of this trace begin?
--
-- An error with no error below it; what is above only passed it on.
SELECT depth, service_name, name, status_code, subtree_errors, path
FROM trace_tree('YOUR TRACE')
WHERE error OR depth = 0
ORDER BY subtree_errors = 1 DESC, ordinal
