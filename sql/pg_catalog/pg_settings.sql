-- One row a setting that clients ask for.
SELECT
    name,
    setting,
    CAST(NULL AS TEXT) AS unit,
    'Preset Options' AS category,
    meaning AS short_desc,
    CAST(NULL AS TEXT) AS extra_desc,
    'internal' AS context,
    CASE WHEN setting IN ('on', 'off') THEN 'bool' WHEN setting ~ '^[0-9]+$' THEN 'integer' ELSE 'string' END AS vartype,
    'default' AS source,
    CAST(NULL AS TEXT) AS min_val,
    CAST(NULL AS TEXT) AS max_val,
    CAST(NULL AS TEXT) AS enumvals,
    setting AS boot_val,
    setting AS reset_val,
    CAST(NULL AS TEXT) AS sourcefile,
    CAST(NULL AS INT) AS sourceline,
    false AS pending_restart
FROM lake.settings
