-- Three-valued logic.
SELECT true AS yes, false AS no, CAST(NULL AS boolean) AS unknown, NULL AND false AS known, 1 < 2 AS compared
