"""Asks Jaeger's query API with `jaeger-mcp`, a client of it that others wrote, and prints what it made of the answers.

`jaeger.py URL TRACE_ID UNKNOWN_TRACE_ID START END`, the last two in microseconds.
"""

import json
import sys

from jaeger_mcp import JaegerClient

YEARS = 24 * 365 * 20


def main(url, known, unknown, start, end):
    client = JaegerClient.from_env(url=url)
    window = {"time_from": int(start), "time_to": int(end)}
    trace = client.get_trace(known)
    try:
        refused = client.get_trace(unknown)
    except Exception as error:  # noqa: BLE001: whatever it raises is what is asked for
        refused = str(error).splitlines()[0]
    found = client.search_traces("shop", operation="GET /buy", min_duration="100ms", limit=2, **window)
    failed = client.search_traces("pay", tags={"error": "true", "region": "us"}, **window)
    path = client.critical_path(known)
    said = {
        "services": client.list_services(),
        "found": [[it.trace_id, it.root_service, it.root_operation, it.span_count, it.errors_count] for it in found],
        "failed": [it.trace_id for it in failed],
        "trace": [trace.trace_id, trace.root_service, trace.root_operation, trace.duration_us, trace.errors_count],
        "spans": [
            [it.service_name, it.operation, it.start_utc.isoformat(), it.duration_us, it.error, it.tags.get("span.kind")]
            for it in trace.spans
        ],
        "critical_path": [it["operation"] for it in path["critical_path"]],
        "dependencies": [[it.parent, it.child, it.call_count] for it in client.get_dependencies(lookback_hours=YEARS)],
        "refused": refused,
    }
    print(json.dumps(said))


main(*sys.argv[1:])
