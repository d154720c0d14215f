-- Dates at the ends of the calendar and around 1970.
SELECT DATE '0001-01-01' AS first, DATE '1582-10-15' AS gregorian, DATE '1969-12-31' AS before, DATE '1970-01-01' AS epoch,
    DATE '2024-02-29' AS leap, DATE '9999-12-31' AS last
