-- trace_tree(trace_id)
-- One row a span of the trace, each below its parent, children by start: the order of the rows.
--
--   trace_id        text
--   ordinal         bigint, the place in that order, from 1
--   depth           int, 0 at a root
--   path            text, the names from the root: `shop: GET /buy > total > pay: charge`, a service where it changes;
--                   of one longer than 512 bytes the root and the end
--   span_id         text
--   parent_span_id  text, as the span says it
--   orphan          boolean, whether the span names a parent and is a root all the same: its parent is not stored here,
--                   or they are each other's parents; of such a circle the earliest is the root
--   service_name    text
--   name            text
--   kind            text
--   time            timestamp, start
--   time_nanos      smallint, nanoseconds past `time`
--   offset_ms       double, from the trace's earliest start to this one
--   duration_ms     double; NULL where the span has no end, negative where it ends before it starts
--   self_ms         double, what of the duration no child covers: children may overlap, and count only inside of the
--                   span; NULL without an end
--   share           double, of the self_ms of the whole trace; all add up to 1
--   status_code     text
--   status_message  text
--   error           boolean, whether status_code is ERROR
--   subtree_errors  bigint, errors at and below this span: where it is 1 at an error, the error began there
--   child_count     bigint, spans directly below
-- A duplicate span (equal service_name, time, time_nanos, trace_id and span_id) counts once. Of several spans with the
-- parent's id, the parent is one of the child's own service, else one during which the child starts, else a SERVER, else
-- the earliest. A SERVER with the id and the parent of a CLIENT (Zipkin's shared span) is below that CLIENT.
--
-- Cost: the trace's spans, looked for by `trace_id`; n log n in their number, and memory for all of them.
SELECT
    trace_id,
    node['ordinal'] AS ordinal,
    node['depth'] AS depth,
    node['path'] AS path,
    node['span_id'] AS span_id,
    node['parent_span_id'] AS parent_span_id,
    node['orphan'] AS orphan,
    node['service_name'] AS service_name,
    node['name'] AS name,
    node['kind'] AS kind,
    node['time'] AS time,
    node['time_nanos'] AS time_nanos,
    node['offset_ms'] AS offset_ms,
    node['duration_ms'] AS duration_ms,
    node['self_ms'] AS self_ms,
    node['share'] AS share,
    node['status_code'] AS status_code,
    node['status_message'] AS status_message,
    coalesce(node['status_code'] = 'ERROR', false) AS error,
    node['subtree_errors'] AS subtree_errors,
    node['child_count'] AS child_count
FROM (
    SELECT trace_id, unnest(trace_tree_of(spans)) AS node
    FROM (
        SELECT
            trace_id,
            array_agg(named_struct(
                'span_id', span_id,
                'parent_span_id', parent_span_id,
                'service_name', service_name,
                'name', name,
                'kind', kind,
                'status_code', status_code,
                'status_message', status_message,
                'time', time,
                'time_nanos', time_nanos,
                'duration_nano', duration_nano
            )) AS spans
        FROM (
            SELECT
                trace_id,
                span_id,
                service_name,
                time,
                time_nanos,
                min(parent_span_id) AS parent_span_id,
                min(name) AS name,
                min(kind) AS kind,
                min(status_code) AS status_code,
                min(status_message) AS status_message,
                max(duration_nano) AS duration_nano
            FROM spans
            WHERE trace_id = $trace_id
            GROUP BY trace_id, span_id, service_name, time, time_nanos
        ) AS distinct_spans
        GROUP BY trace_id
    ) AS trace
) AS tree
ORDER BY ordinal
