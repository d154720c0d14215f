-- Attributes by map, by attr() and as promoted columns.
SELECT span_id, attributes['größe'] AS size, attributes['it''s'] AS quoted, attributes['absent'] AS absent, attr('deployment.environment') AS environment,
    deployment_environment_name, http_response_status_code, resource_attributes['service.name'] AS service
FROM spans WHERE trace_id = '00000000000000000000000000000023' ORDER BY span_id, attributes['batch']
