-- How fast does the error budget burn?
--
-- For a goal of 99.9 per cent over 30 days: what is spent of the budget, and how many times faster than allowed it burnt
-- in the last six hours and the last hour. Above 14.4 in an hour is when to page (Google's SRE workbook, chapter 5).
SELECT
    service_name,
    round(100.0 * (1 - sum(errors) / sum(requests)), 3) AS success_percent,
    round(100.0 * sum(errors) / sum(requests) / 0.001, 1) AS budget_spent_percent,
    round(sum(errors) FILTER (WHERE time >= now() - INTERVAL '6 hours')
        / nullif(sum(requests) FILTER (WHERE time >= now() - INTERVAL '6 hours'), 0) / 0.001, 1) AS burn_6h,
    round(sum(errors) FILTER (WHERE time >= now() - INTERVAL '1 hour')
        / nullif(sum(requests) FILTER (WHERE time >= now() - INTERVAL '1 hour'), 0) / 0.001, 1) AS burn_1h
FROM (
    SELECT
        service_name,
        date_trunc('hour', time) AS time,
        CAST(sum(adjusted_count) AS DOUBLE) AS requests,
        CAST(coalesce(sum(adjusted_count) FILTER (WHERE status_code = 'ERROR'), 0) AS DOUBLE) AS errors
    FROM requests
    WHERE time >= now() - INTERVAL '30 days'
    GROUP BY service_name, date_trunc('hour', time)
) AS hours
GROUP BY service_name
ORDER BY burn_1h DESC NULLS LAST
