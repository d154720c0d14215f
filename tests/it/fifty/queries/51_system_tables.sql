-- The store about itself.
SELECT name, kind, usage, parameters, summary FROM system.views ORDER BY name
