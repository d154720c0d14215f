SELECT name, kind, usage, documentation
FROM system.views
