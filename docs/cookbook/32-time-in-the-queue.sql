-- How long do messages wait before they are consumed?
SELECT
    consumer.service_name,
    consumer.messaging_destination_name AS destination,
    count(*) AS messages,
    round(approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY link.waited_ms), 1) AS p50_ms,
    round(approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY link.waited_ms), 1) AS p95_ms
FROM (
    SELECT
        l.trace_id,
        l.span_id,
        (CAST(l.time AS BIGINT) - CAST(producer.time AS BIGINT)) / 1e3 AS waited_ms
    FROM span_links AS l
    JOIN spans AS producer ON producer.trace_id = l.linked_trace_id AND producer.span_id = l.linked_span_id
    WHERE l.time >= now() - INTERVAL '1 hour' AND producer.time >= now() - INTERVAL '2 hours'
) AS link
JOIN spans AS consumer ON consumer.trace_id = link.trace_id AND consumer.span_id = link.span_id
WHERE consumer.time >= now() - INTERVAL '1 hour' AND consumer.kind = 'CONSUMER'
GROUP BY consumer.service_name, consumer.messaging_destination_name
ORDER BY p95_ms DESC
