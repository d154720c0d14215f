    AND (
        ({key} = 'error' AND (status_code = 'ERROR' OR coalesce(attributes['error'] = 'true', false)) = ({value} = 'true'))
        OR ({key} = 'span.kind' AND kind = upper({value}))
        OR ({key} IN ('otel.status_code', 'span.status') AND status_code = upper({value}))
        OR ({key} = 'otel.status_description' AND status_message = {value})
        OR ({key} IN ('otel.scope.name', 'otel.library.name', 'scope.name') AND scope_name = {value})
        OR ({key} IN ('otel.scope.version', 'otel.library.version', 'scope.version') AND scope_version = {value})
        OR ({key} = 'w3c.tracestate' AND trace_state = {value})
        OR attributes[{key}] = {value}
        OR resource_attributes[{resource_key}] = {value}
        OR scope_attributes[{scope_key}] = {value}
        OR has_event(events, {key}, {value})
    )
