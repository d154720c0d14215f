-- A macro: the tree of a trace.
SELECT * FROM trace_tree('00000000000000000000000000000024')
