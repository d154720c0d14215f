-- Intervals: months, days and time apart, and signs of their own.
SELECT INTERVAL '1 month 2 days 3.000004 seconds' AS mixed, INTERVAL '-1 year' AS back, INTERVAL '0 seconds' AS none,
    INTERVAL '1 day' - INTERVAL '1 hour' AS signs, INTERVAL '36 hours' AS hours
