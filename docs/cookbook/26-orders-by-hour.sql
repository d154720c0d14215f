-- How many orders were placed each hour, whatever restarted?
--
-- A counter's growth, each series by itself: a restart is no loss, and a lost point no jump.
SELECT
    time_bucket('1 hour', time) AS hour,
    attributes['shop.currency'] AS currency,
    increase() AS orders
FROM metrics
WHERE metric_name = 'shop.orders.placed' AND time >= now() - INTERVAL '1 day'
GROUP BY time_bucket('1 hour', time), attributes['shop.currency']
ORDER BY hour, orders DESC
