-- critical_path(trace_id)
-- One row a stretch of time in which the trace waited for a span itself and not for a child of it, in order of time.
--
-- The stretches follow one another without gap or overlap from the root's start to its end. A trace gets faster by what
-- is on them, and by nothing else.
--
--   trace_id          text
--   ordinal           bigint, the place in that order, from 1
--   time              timestamp, start of the stretch
--   time_nanos        smallint, nanoseconds past `time`
--   offset_ms         double, from the trace's earliest start to there
--   duration_ms       double, of the stretch; all add up to the root's
--   share             double, of the root's duration; all add up to 1
--   depth             int, of the span below its root, as in `trace_tree`
--   span_id           text, the span that was waited for; it may have several stretches
--   parent_span_id    text
--   service_name      text
--   name              text
--   kind              text
--   span_duration_ms  double, of the whole span
--   status_code       text
--   error             boolean, whether that is ERROR
-- The root is the earliest span without a parent, or where none is stored here, the earliest whose parent is missing;
-- other roots' trees are not looked at. From its end back, the child that ended last is what was waited for, then the
-- one that ended last before that one started, and so on (as CRISP, USENIX ATC 2022, and Jaeger's UI have it). A child
-- is clipped to its parent, and left out with all below it where it lies outside; so is a CONSUMER below a PRODUCER,
-- for which nobody waits. A span without an end, or with one before its start, lasts until the last below it ends.
-- Parents and duplicates are as in `trace_tree`.
--
-- Cost: as `trace_tree`.
SELECT
    trace_id,
    segment['ordinal'] AS ordinal,
    segment['segment_time'] AS time,
    segment['segment_time_nanos'] AS time_nanos,
    segment['offset_ms'] AS offset_ms,
    segment['segment_ms'] AS duration_ms,
    segment['share'] AS share,
    segment['depth'] AS depth,
    segment['span_id'] AS span_id,
    segment['parent_span_id'] AS parent_span_id,
    segment['service_name'] AS service_name,
    segment['name'] AS name,
    segment['kind'] AS kind,
    segment['duration_nano'] / 1e6 AS span_duration_ms,
    segment['status_code'] AS status_code,
    coalesce(segment['status_code'] = 'ERROR', false) AS error
FROM (
    SELECT trace_id, unnest(critical_path_of(spans)) AS segment
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
                max(duration_nano) AS duration_nano
            FROM spans
            WHERE trace_id = $trace_id
            GROUP BY trace_id, span_id, service_name, time, time_nanos
        ) AS distinct_spans
        GROUP BY trace_id
    ) AS trace
) AS path
ORDER BY ordinal
