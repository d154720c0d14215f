-- One row a service, namespace, environment and minute in which it had a request, a log, or a metric of its own use.
--
--   time                         timestamp, start of the minute
--   service_name                 text, `unknown_service` for what names no service
--   service_namespace            text
--   deployment_environment_name  text
--   requests                     bigint, requests that happened: each stored span counts its adjusted_count
--   errors                       bigint, those with status ERROR
--   p50_ms, p95_ms, p99_ms       double, milliseconds: percentiles of the requests' durations, weighted likewise
--   logs                         bigint, log records that happened, weighted likewise
--   error_logs                   bigint, those of severity ERROR and above
--   cpu                          double, CPUs in use: 1.5 is one and a half cores, averaged over the minute's points
--   memory                       double, bytes in use, averaged over the minute's points
-- What did not happen is 0; a percentile of no requests, and cpu and memory that nobody measured, are NULL.
--
-- A request is a row of the view `requests`: a SERVER or CONSUMER span, or an entry span of a service that has neither
-- in the trace. It belongs to the minute in which it started. A request without an end, or one that ends before it
-- starts, counts, but is in no percentile. Percentiles are approximate (t-digest).
--
-- cpu and memory are those of the service's instances added up. An instance is told by k8s_pod_name, else
-- service_instance_id, else host_name; its series (processes, containers, CPU modes, memory pools) are added up. Of
-- each instance and minute one source is taken, the first of these that has a value, since all measure the same:
--   cpu     process.cpu.time (or process_cpu_seconds_total), process.cpu.utilization,
--           container.cpu.time (or container.cpu.usage.total), container.cpu.usage,
--           k8s.pod.cpu.time, k8s.pod.cpu.usage (or k8s.pod.cpu.utilization),
--           jvm.cpu.time or dotnet.process.cpu.time, jvm.cpu.recent_utilization
--   memory  process.memory.usage (or process.memory.physical_usage, process_resident_memory_bytes),
--           container.memory.working_set, container.memory.usage (or container.memory.usage.total),
--           k8s.pod.memory.working_set, k8s.pod.memory.usage,
--           dotnet.process.memory.working_set, jvm.memory.used or go.memory.used
-- Names are those of the semantic conventions 1.44 and, in parentheses, of older ones, of the Collector's Docker
-- receiver and of Prometheus clients. A counter (monotonic sum), cumulative or delta, is turned to what it grew by a
-- second since the series' previous point, at most 10 minutes back, or since its start_time where it began anew; that
-- belongs to the minute of the later point. Waiting and idle modes are left out. A utilization is a share of CPUs, so
-- it needs the instance's jvm.cpu.count, dotnet.process.cpu.count or system.cpu.logical.count of that minute. Units
-- are read (`s`, `ms`, `{cpu}`, `m{cpu}`, `%`, `By`, `MiBy`, ..., and OpenMetrics' words `seconds` and `bytes`); a point
-- in another unit is left out, and so is container.cpu.utilization, which means percent to one receiver and CPUs to
-- another. A container's or pod's metric whose resource names no service is counted for `unknown_service`.
--
-- Cost: bounded by `time`: a bound in the WHERE over the view bounds every table; metrics are read from 10 minutes
-- before it, and four columns of spans an hour wider on both sides. A bound on `service_name` leaves out files of
-- all three tables.
WITH
-- One row a point, with the source it is of, in CPUs, CPU seconds or bytes; equal points once.
points AS (
    SELECT
        service_name,
        service_namespace,
        deployment_environment_name,
        coalesce(k8s_pod_name, service_instance_id, host_name) AS instance,
        series_id,
        time,
        CASE
            WHEN metric_name IN ('process.cpu.time', 'process_cpu_seconds_total') THEN 'process cpu time'
            WHEN metric_name IN ('process.cpu.utilization') THEN 'process cpu share'
            WHEN metric_name IN ('container.cpu.time', 'container.cpu.usage.total') THEN 'container cpu time'
            WHEN metric_name IN ('container.cpu.usage') THEN 'container cpu'
            WHEN metric_name IN ('k8s.pod.cpu.time') THEN 'pod cpu time'
            WHEN metric_name IN ('k8s.pod.cpu.usage', 'k8s.pod.cpu.utilization') THEN 'pod cpu'
            WHEN metric_name IN ('jvm.cpu.time', 'dotnet.process.cpu.time') THEN 'runtime cpu time'
            WHEN metric_name IN ('jvm.cpu.recent_utilization') THEN 'runtime cpu share'
            WHEN metric_name IN ('jvm.cpu.count', 'dotnet.process.cpu.count') THEN 'cpu count'
            WHEN metric_name IN ('system.cpu.logical.count') THEN 'cpu count'
            WHEN metric_name IN ('process.memory.usage', 'process.memory.physical_usage') THEN 'process memory'
            WHEN metric_name IN ('process_resident_memory_bytes') THEN 'process memory'
            WHEN metric_name IN ('container.memory.working_set') THEN 'container working set'
            WHEN metric_name IN ('container.memory.usage', 'container.memory.usage.total') THEN 'container memory'
            WHEN metric_name IN ('k8s.pod.memory.working_set') THEN 'pod working set'
            WHEN metric_name IN ('k8s.pod.memory.usage') THEN 'pod memory'
            WHEN metric_name IN ('dotnet.process.memory.working_set') THEN 'runtime working set'
            WHEN metric_name IN ('jvm.memory.used', 'go.memory.used') THEN 'runtime memory'
        END AS source,
        CASE
            WHEN metric_type <> 'SUM' OR NOT is_monotonic THEN 'GAUGE'
            ELSE temporality
        END AS form,
        min(start_time) AS start_time,
        max(value) * CASE coalesce(unit, '')
            WHEN '' THEN 1 WHEN '1' THEN 1 WHEN '%' THEN 0.01
            WHEN 's' THEN 1 WHEN 'ms' THEN 1e-3 WHEN 'us' THEN 1e-6 WHEN 'ns' THEN 1e-9
            WHEN '{cpu}' THEN 1 WHEN 'm{cpu}' THEN 1e-3 WHEN 'u{cpu}' THEN 1e-6 WHEN 'n{cpu}' THEN 1e-9
            WHEN 'seconds' THEN 1 WHEN 'bytes' THEN 1
            WHEN 'By' THEN 1 WHEN 'kBy' THEN 1e3 WHEN 'MBy' THEN 1e6 WHEN 'GBy' THEN 1e9
            WHEN 'KiBy' THEN 1024 WHEN 'MiBy' THEN 1048576 WHEN 'GiBy' THEN 1073741824
        END AS value
    FROM metrics
    WHERE
        -- Two lists, since one of more than 20 names leaves out no files.
        (
            metric_name IN (
                'process.cpu.time', 'process_cpu_seconds_total', 'process.cpu.utilization', 'container.cpu.time',
                'container.cpu.usage.total', 'container.cpu.usage', 'k8s.pod.cpu.time', 'k8s.pod.cpu.usage',
                'k8s.pod.cpu.utilization', 'jvm.cpu.time', 'dotnet.process.cpu.time', 'jvm.cpu.recent_utilization',
                'jvm.cpu.count', 'dotnet.process.cpu.count', 'system.cpu.logical.count'
            )
            OR metric_name IN (
                'process.memory.usage', 'process.memory.physical_usage', 'process_resident_memory_bytes',
                'container.memory.working_set', 'container.memory.usage', 'container.memory.usage.total',
                'k8s.pod.memory.working_set', 'k8s.pod.memory.usage', 'dotnet.process.memory.working_set',
                'jvm.memory.used', 'go.memory.used'
            )
        )
        AND NOT isnan(value)
        AND coalesce(attributes['cpu.mode'], attributes['process.cpu.state'], attributes['state'], '')
            NOT IN ('wait', 'iowait', 'idle')
        AND in_asked_time(time, INTERVAL '10 minutes', INTERVAL '1 minute')
    GROUP BY
        service_name, service_namespace, deployment_environment_name, k8s_pod_name, service_instance_id, host_name,
        series_id, time, metric_name, metric_type, is_monotonic, temporality, unit
),

-- The same, with the series' point before it where that is near enough.
steps AS (
    SELECT
        * EXCEPT (earlier_time, earlier_value),
        CASE WHEN earlier_time >= time - INTERVAL '10 minutes' THEN earlier_time END AS earlier_time,
        CASE WHEN earlier_time >= time - INTERVAL '10 minutes' THEN earlier_value END AS earlier_value
    FROM (
        SELECT
            *,
            lag(time) OVER (PARTITION BY service_name, series_id ORDER BY time) AS earlier_time,
            lag(value) OVER (PARTITION BY service_name, series_id ORDER BY time) AS earlier_value
        FROM points
        WHERE source IS NOT NULL AND value IS NOT NULL
    ) AS p
),

-- What a point adds to its minute, and over how many seconds; a gauge's point counts as one.
amounts AS (
    SELECT
        *,
        CASE
            WHEN form <> 'CUMULATIVE' OR earlier_time IS NULL THEN value
            WHEN start_time > earlier_time OR value < earlier_value THEN value
            ELSE value - earlier_value
        END AS amount,
        CASE
            WHEN form = 'GAUGE' THEN 1
            ELSE (
                CAST(time AS BIGINT) - CAST(CASE
                    WHEN form = 'DELTA' THEN coalesce(start_time, earlier_time)
                    WHEN start_time > earlier_time THEN start_time
                    WHEN earlier_time IS NOT NULL THEN earlier_time
                    WHEN start_time >= time - INTERVAL '10 minutes' THEN start_time
                END AS BIGINT)
            ) / 1e6
        END AS seconds
    FROM steps
),

series AS (
    SELECT
        date_trunc('minute', time) AS time,
        service_name,
        service_namespace,
        deployment_environment_name,
        instance,
        source,
        series_id,
        sum(amount) / sum(seconds) AS value
    FROM amounts
    WHERE seconds > 0
    GROUP BY
        date_trunc('minute', time), service_name, service_namespace, deployment_environment_name, instance, source,
        series_id
),

instances AS (
    SELECT
        time,
        service_name,
        service_namespace,
        deployment_environment_name,
        coalesce(
            sum(value) FILTER (WHERE source = 'process cpu time'),
            sum(value) FILTER (WHERE source = 'process cpu share') * max(value) FILTER (WHERE source = 'cpu count'),
            sum(value) FILTER (WHERE source = 'container cpu time'),
            sum(value) FILTER (WHERE source = 'container cpu'),
            sum(value) FILTER (WHERE source = 'pod cpu time'),
            sum(value) FILTER (WHERE source = 'pod cpu'),
            sum(value) FILTER (WHERE source = 'runtime cpu time'),
            sum(value) FILTER (WHERE source = 'runtime cpu share') * max(value) FILTER (WHERE source = 'cpu count')
        ) AS cpu,
        coalesce(
            sum(value) FILTER (WHERE source = 'process memory'),
            sum(value) FILTER (WHERE source = 'container working set'),
            sum(value) FILTER (WHERE source = 'container memory'),
            sum(value) FILTER (WHERE source = 'pod working set'),
            sum(value) FILTER (WHERE source = 'pod memory'),
            sum(value) FILTER (WHERE source = 'runtime working set'),
            sum(value) FILTER (WHERE source = 'runtime memory')
        ) AS memory
    FROM series
    GROUP BY time, service_name, service_namespace, deployment_environment_name, instance
)

SELECT
    time,
    service_name,
    service_namespace,
    deployment_environment_name,
    CAST(round(coalesce(sum(requests), 0)) AS BIGINT) AS requests,
    CAST(round(coalesce(sum(errors), 0)) AS BIGINT) AS errors,
    max(p50_ms) AS p50_ms,
    max(p95_ms) AS p95_ms,
    max(p99_ms) AS p99_ms,
    CAST(round(coalesce(sum(logs), 0)) AS BIGINT) AS logs,
    CAST(round(coalesce(sum(error_logs), 0)) AS BIGINT) AS error_logs,
    sum(cpu) AS cpu,
    sum(memory) AS memory
FROM (
    SELECT
        date_trunc('minute', time) AS time,
        service_name,
        service_namespace,
        deployment_environment_name,
        sum(adjusted_count) AS requests,
        sum(adjusted_count) FILTER (WHERE status_code = 'ERROR') AS errors,
        approx_percentile_cont_with_weight(adjusted_count, 0.5) WITHIN GROUP (ORDER BY duration_ms)
            FILTER (WHERE duration_ms >= 0) AS p50_ms,
        approx_percentile_cont_with_weight(adjusted_count, 0.95) WITHIN GROUP (ORDER BY duration_ms)
            FILTER (WHERE duration_ms >= 0) AS p95_ms,
        approx_percentile_cont_with_weight(adjusted_count, 0.99) WITHIN GROUP (ORDER BY duration_ms)
            FILTER (WHERE duration_ms >= 0) AS p99_ms,
        CAST(NULL AS DOUBLE) AS logs,
        CAST(NULL AS DOUBLE) AS error_logs,
        CAST(NULL AS DOUBLE) AS cpu,
        CAST(NULL AS DOUBLE) AS memory
    FROM requests
    WHERE in_asked_time(time, INTERVAL '0', INTERVAL '1 minute')
    GROUP BY date_trunc('minute', time), service_name, service_namespace, deployment_environment_name

    UNION ALL

    SELECT
        date_trunc('minute', time) AS time,
        service_name,
        service_namespace,
        deployment_environment_name,
        NULL AS requests,
        NULL AS errors,
        NULL AS p50_ms,
        NULL AS p95_ms,
        NULL AS p99_ms,
        sum(coalesce(adjusted_count, 1)) AS logs,
        sum(coalesce(adjusted_count, 1)) FILTER (WHERE severity_number >= 17) AS error_logs,
        NULL AS cpu,
        NULL AS memory
    FROM logs
    WHERE in_asked_time(time, INTERVAL '0', INTERVAL '1 minute')
    GROUP BY date_trunc('minute', time), service_name, service_namespace, deployment_environment_name

    UNION ALL

    SELECT
        time,
        service_name,
        service_namespace,
        deployment_environment_name,
        NULL AS requests,
        NULL AS errors,
        NULL AS p50_ms,
        NULL AS p95_ms,
        NULL AS p99_ms,
        NULL AS logs,
        NULL AS error_logs,
        cpu,
        memory
    FROM instances
    WHERE cpu IS NOT NULL OR memory IS NOT NULL
) AS signals
GROUP BY time, service_name, service_namespace, deployment_environment_name
