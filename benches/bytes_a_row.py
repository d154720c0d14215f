"""Bytes a row of a lake's tables, beside the same rows in ClickHouse with the schema of OpenTelemetry's ClickHouse exporter.

    telestrata compact --lake LAKE
    python benches/bytes_a_row.py LAKE        # needs tests/clients/python/requirements.txt: chdb, deltalake, pyarrow

ClickHouse's tables have the exporter's columns, codecs, skip indexes, partitions and sort keys (its page of default DDL,
version 0.140), each partition merged to one part. They hold less than ours: no promoted columns, no dropped counts, no
provenance, times of sums and gauges in whole seconds, as the exporter has it.
"""

import os
import sys
import tempfile

import deltalake
import pyarrow
from chdb.session import Session

TEXT_MAP = "Map(LowCardinality(String), String)"


def column(name, kind, codec="ZSTD(1)"):
    return f"{name} {kind} CODEC({codec})"


def blooms(*maps):
    return [
        f"INDEX {name.lower()}_{part} map{part.title()}({name}) TYPE bloom_filter(0.01) GRANULARITY 1"
        for name in maps
        for part in ("keys", "values")
    ]


RESOURCE = [column("ResourceAttributes", TEXT_MAP), column("ServiceName", "LowCardinality(String)")]
TRACE_BLOOM = "INDEX by_trace TraceId TYPE bloom_filter(0.001) GRANULARITY 1"
NANOS = "fromUnixTimestamp64Nano(toUnixTimestamp64Micro({0}) * 1000 + coalesce({1}, 0), 'UTC')"
TIME = NANOS.format("time", "time_nanos")


def create(name, columns, partition, order):
    return (
        f"CREATE TABLE {name} ({', '.join(columns)}) ENGINE = MergeTree PARTITION BY toDate({partition}) "
        f"ORDER BY ({order}) SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1"
    )


def text(name):
    return f"coalesce({name}, '')"


def nested(list_name, field):
    return f"arrayMap(item -> coalesce(item.{field}, ''), {list_name})"


SPANS = create(
    "spans",
    [
        column("Timestamp", "DateTime64(9)", "Delta(8), ZSTD(1)"),
        *(column(name, "String") for name in ("TraceId", "SpanId", "ParentSpanId", "TraceState")),
        *(column(name, "LowCardinality(String)") for name in ("SpanName", "SpanKind")),
        *RESOURCE,
        column("ScopeName", "String"),
        column("ScopeVersion", "String"),
        column("SpanAttributes", TEXT_MAP),
        column("Duration", "UInt64", "T64, ZSTD(1)"),
        column("StatusCode", "LowCardinality(String)"),
        column("StatusMessage", "String"),
        column("Events", f"Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes {TEXT_MAP})"),
        column("Links", f"Nested (TraceId String, SpanId String, TraceState String, Attributes {TEXT_MAP})"),
        TRACE_BLOOM,
        *blooms("ResourceAttributes", "SpanAttributes"),
        "INDEX by_duration Duration TYPE minmax GRANULARITY 1",
        "INDEX by_name lower(SpanName) TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8",
    ],
    "Timestamp",
    "ServiceName, SpanName, toDateTime(Timestamp), Timestamp",
)
SPAN_ROWS = f"""SELECT {TIME}, {text("trace_id")}, {text("span_id")}, {text("parent_span_id")}, {text("trace_state")}, {text("name")},
    {text("kind")}, resource_attributes, service_name, {text("scope_name")}, {text("scope_version")}, attributes,
    toUInt64(greatest(coalesce(duration_nano, 0), 0)), {text("status_code")}, {text("status_message")},
    arrayMap(item -> {NANOS.format("item.time", "item.time_nanos")}, events), {nested("events", "name")},
    arrayMap(item -> item.attributes, events), {nested("links", "trace_id")}, {nested("links", "span_id")},
    {nested("links", "trace_state")}, arrayMap(item -> item.attributes, links)"""

# The exporter's lookup of a trace's times, beside our trace_index.
LOOKUP = (
    "CREATE TABLE lookup (TraceId String CODEC(ZSTD(1)), Start DateTime CODEC(Delta, ZSTD(1)), End DateTime CODEC(Delta, ZSTD(1)), "
    "INDEX by_trace TraceId TYPE bloom_filter(0.01) GRANULARITY 1) ENGINE = MergeTree PARTITION BY toDate(Start) ORDER BY (TraceId, Start)"
)

LOGS = create(
    "logs",
    [
        column("Timestamp", "DateTime64(9)", "Delta(8), ZSTD(1)"),
        "TimestampTime DateTime DEFAULT toDateTime(Timestamp)",
        column("TraceId", "String"),
        column("SpanId", "String"),
        "TraceFlags UInt8",
        column("SeverityText", "LowCardinality(String)"),
        "SeverityNumber UInt8",
        *RESOURCE,
        column("Body", "String"),
        column("ResourceSchemaUrl", "LowCardinality(String)"),
        column("ScopeSchemaUrl", "LowCardinality(String)"),
        column("ScopeName", "String"),
        column("ScopeVersion", "LowCardinality(String)"),
        column("ScopeAttributes", TEXT_MAP),
        column("LogAttributes", TEXT_MAP),
        TRACE_BLOOM,
        *blooms("ResourceAttributes", "ScopeAttributes", "LogAttributes"),
        "INDEX words Body TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8",
        "INDEX grams Body TYPE ngrambf_v1(4, 32768, 3, 0) GRANULARITY 1",
    ],
    "TimestampTime",
    "ServiceName, TimestampTime, Timestamp",
)
LOG_COLUMNS = (
    "(Timestamp, TraceId, SpanId, TraceFlags, SeverityText, SeverityNumber, ResourceAttributes, ServiceName, Body, "
    "ResourceSchemaUrl, ScopeSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes, LogAttributes)"
)
LOG_ROWS = f"""SELECT {TIME}, {text("trace_id")}, {text("span_id")}, toUInt8(coalesce(flags, 0)), {text("severity_text")},
    toUInt8(coalesce(severity_number, 0)), resource_attributes, service_name, {text("body")}, {text("resource_schema_url")},
    {text("scope_schema_url")}, {text("scope_name")}, {text("scope_version")}, scope_attributes, attributes"""

METRIC = [
    *RESOURCE,
    *(column(name, "String") for name in ("ResourceSchemaUrl", "ScopeName", "ScopeVersion")),
    column("ScopeAttributes", TEXT_MAP),
    column("ScopeDroppedAttrCount", "UInt32"),
    column("ScopeSchemaUrl", "String"),
    column("MetricName", "LowCardinality(String)"),
    column("MetricDescription", "String"),
    column("MetricUnit", "String"),
    column("Attributes", TEXT_MAP),
    column("Flags", "UInt32"),
]
METRIC_ROWS = f"""SELECT resource_attributes, service_name, {text("resource_schema_url")}, {text("scope_name")}, {text("scope_version")},
    scope_attributes, toUInt32(coalesce(scope_dropped_attributes_count, 0)), {text("scope_schema_url")}, metric_name,
    {text("description")}, {text("unit")}, attributes, toUInt32(coalesce(flags, 0))"""
TEMPORALITY = "multiIf(temporality = 'DELTA', 1, temporality = 'CUMULATIVE', 2, 0)"


def exemplars(time):
    return column("Exemplars", f"Nested (FilteredAttributes {TEXT_MAP}, TimeUnix {time}, Value Float64, SpanId String, TraceId String)")


EXEMPLAR_ROWS = f"""arrayMap(item -> item.attributes, exemplars), arrayMap(item -> {NANOS.format("item.time", "item.time_nanos")}, exemplars),
    arrayMap(item -> coalesce(item.value, toFloat64(item.value_int), 0), exemplars), {nested("exemplars", "span_id")}, {nested("exemplars", "trace_id")}"""
POINT_INDEXES = blooms("ResourceAttributes", "ScopeAttributes", "Attributes")


def number_points(name, extra):
    times = [column("StartTimeUnix", "DateTime", "Delta, ZSTD(1)"), column("TimeUnix", "DateTime", "Delta, ZSTD(1)")]
    return create(
        name,
        [*METRIC, *times, column("Value", "Float64"), exemplars("DateTime"), *extra, *POINT_INDEXES, "INDEX by_time TimeUnix TYPE minmax GRANULARITY 1"],
        "TimeUnix",
        "ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix",
    )


def shaped_points(name, extra):
    times = [column("StartTimeUnix", "DateTime64(9)", "Delta, ZSTD(1)"), column("TimeUnix", "DateTime64(9)", "Delta, ZSTD(1)")]
    return create(
        name, [*METRIC, *times, *extra, *POINT_INDEXES], "TimeUnix", "ServiceName, MetricName, Attributes, toUnixTimestamp64Nano(TimeUnix)"
    )


AGGREGATED = [column("Min", "Float64"), column("Max", "Float64"), column("AggregationTemporality", "Int32")]
COUNTED = [column("Count", "UInt64", "Delta, ZSTD(1)"), column("Sum", "Float64")]
START = f"coalesce({NANOS.format('start_time', 'start_time_nanos')}, fromUnixTimestamp64Nano(0))"
NUMBER = f"coalesce(value, toFloat64(value_int), 0), {EXEMPLAR_ROWS}"
COUNT_ROWS = "toUInt64(coalesce(count, 0)), coalesce(sum, 0)"
AGGREGATED_ROWS = f"coalesce(min, 0), coalesce(max, 0), {TEMPORALITY}"
METRICS = {
    "GAUGE": (number_points("gauge", []), f"{START}, {TIME}, {NUMBER}"),
    "SUM": (
        number_points("sum", [column("AggregationTemporality", "Int32"), column("IsMonotonic", "Boolean", "Delta, ZSTD(1)")]),
        f"{START}, {TIME}, {NUMBER}, {TEMPORALITY}, coalesce(is_monotonic, false)",
    ),
    "HISTOGRAM": (
        shaped_points(
            "histogram",
            [*COUNTED, column("BucketCounts", "Array(UInt64)"), column("ExplicitBounds", "Array(Float64)"), exemplars("DateTime64(9)"), *AGGREGATED],
        ),
        f"{START}, {TIME}, {COUNT_ROWS}, bucket_counts, explicit_bounds, {EXEMPLAR_ROWS}, {AGGREGATED_ROWS}",
    ),
    "EXPONENTIAL_HISTOGRAM": (
        shaped_points(
            "exponential_histogram",
            [
                *COUNTED, column("Scale", "Int32"), column("ZeroCount", "UInt64"), column("PositiveOffset", "Int32"),
                column("PositiveBucketCounts", "Array(UInt64)"), column("NegativeOffset", "Int32"), column("NegativeBucketCounts", "Array(UInt64)"),
                exemplars("DateTime64(9)"), *AGGREGATED,
            ],
        ),
        f"{START}, {TIME}, {COUNT_ROWS}, coalesce(scale, 0), toUInt64(coalesce(zero_count, 0)), coalesce(positive_offset, 0), positive_bucket_counts, "
        f"coalesce(negative_offset, 0), negative_bucket_counts, {EXEMPLAR_ROWS}, {AGGREGATED_ROWS}",
    ),
    "SUMMARY": (
        shaped_points("summary", [*COUNTED, column("ValueAtQuantiles", "Nested (Quantile Float64, Value Float64)")]),
        f"{START}, {TIME}, {COUNT_ROWS}, arrayMap(item -> coalesce(item.quantile, 0), quantiles), arrayMap(item -> coalesce(item.value, 0), quantiles)",
    ),
}


def ours(lake, table):
    """Files, rows and bytes of a table's newest version."""
    if not os.path.isdir(f"{lake}/{table}"):
        return 0, 0, 0
    files = pyarrow.table(deltalake.DeltaTable(f"{lake}/{table}").get_add_actions(flatten=True))
    return len(files), sum(files["num_records"].to_pylist()), sum(files["size_bytes"].to_pylist())


def main(lake):
    lake = os.path.abspath(lake)
    # What is outside of the current folder is refused.
    os.chdir(lake)
    with tempfile.TemporaryDirectory() as folder:
        ask = Session(folder).query

        def fill(create_table, name, columns, rows, where=""):
            ask(create_table)
            source = f"deltaLakeLocal('{lake}/{SOURCES[name]}')"
            ask(f"INSERT INTO {name} {columns} {rows} FROM {source} {where}")
            ask(f"OPTIMIZE TABLE {name} FINAL")

        SOURCES = {"spans": "spans", "logs": "logs"}
        ask("CREATE DATABASE otel")
        ask("USE otel")
        fill(SPANS, "spans", "", SPAN_ROWS)
        fill(LOGS, "logs", LOG_COLUMNS, LOG_ROWS)
        ask(LOOKUP)
        ask("INSERT INTO lookup SELECT TraceId, min(Timestamp), max(Timestamp) FROM spans WHERE TraceId != '' GROUP BY TraceId")
        ask("OPTIMIZE TABLE lookup FINAL")
        names = []
        for kind, (create_table, rows) in METRICS.items():
            name = kind.lower()
            SOURCES[name] = "metrics"
            fill(create_table, name, "", f"{METRIC_ROWS}, {rows}", f"WHERE metric_type = '{kind}'")
            names.append(name)
        groups = {"spans": ["spans"], "logs": ["logs"], "metrics": names, "trace_index": ["lookup"]}
        print("| table | rows | files | bytes a row | ClickHouse, columns alone | with skip indexes and marks |")
        print("| --- | --- | --- | --- | --- | --- |")
        for table, tables in groups.items():
            files, rows, size = ours(lake, table)
            quoted = ", ".join(f"'{name}'" for name in tables)
            answer = ask(
                "SELECT sum(rows), sum(data_compressed_bytes), sum(bytes_on_disk) FROM system.parts "
                f"WHERE active AND database = currentDatabase() AND table IN ({quoted})",
                "TSV",
            )
            there, data, disk = (int(number) for number in str(answer).split())
            if table == "trace_index":
                print(f"| {table} | {rows} | {files} | {size} bytes in all | {data} in all ({there} rows) | {disk} in all |")
                continue
            assert there == rows, f"{table}: {there} rows in ClickHouse, {rows} here"
            print(f"| {table} | {rows} | {files} | {size / rows:.1f} | {data / rows:.1f} | {disk / rows:.1f} |")


if __name__ == "__main__":
    main(sys.argv[1])
