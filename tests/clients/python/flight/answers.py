"""Rows, types and schemas: what comes out of this door is what comes out of the HTTP API."""

import adbc_driver_manager
import pyarrow

from .commands import query

# Each in one order, so that two answers can be compared.
QUERIES = [
    "SELECT 1 AS one, 'two' AS two, NULL AS three, true AS four, 5.5 AS five, 6::decimal(10, 2) AS six",
    "SELECT * FROM spans ORDER BY time, time_nanos, span_id",
    "SELECT * FROM logs ORDER BY time, time_nanos, body",
    "SELECT * FROM metrics ORDER BY metric_name, series_id, time, time_nanos, value",
    "SELECT * FROM spans WHERE false",
    "SELECT count(*), min(time), max(time), avg(duration_nano), sum(duration_nano) FROM spans",
    "SELECT service_name, count(*) AS n FROM spans GROUP BY 1 ORDER BY 1",
    "SELECT attributes, attributes['batch'], events, links FROM spans ORDER BY time, span_id",
    "SELECT map_keys(attributes) AS keys, cardinality(attributes) AS n FROM logs ORDER BY time, body",
    "SELECT exemplars, quantiles, explicit_bounds, bucket_counts FROM metrics ORDER BY metric_name, series_id, time, value",
    "SELECT a.name, b.name, a.kind AS name_2 FROM spans a JOIN spans b ON a.span_id = b.span_id ORDER BY a.time, a.span_id",
    "SELECT date, time, date_trunc('hour', time) AS hour, time - INTERVAL '1 day' AS before FROM spans ORDER BY time, span_id",
    "SELECT now() - now() AS nothing, INTERVAL '1 month 2 days' AS long, arrow_cast(1, 'Duration(Second)') AS short",
    "SELECT arrow_cast(7, 'UInt64') AS u, arrow_cast(7, 'Int8') AS i, arrow_cast(1.5, 'Float32') AS f",
    "SELECT 'NaN'::double AS nan, 'Infinity'::double AS infinity, -0.0::double AS zero, 9223372036854775807 AS most",
    "SELECT [1, NULL, 3] AS list, [[1], []] AS lists, named_struct('a', 1, 'b', 'x') AS record, map {'k': [1]} AS map",
    "SELECT arrow_cast('x', 'Dictionary(Int32, Utf8)') AS d, arrow_cast('x', 'LargeUtf8') AS l, arrow_cast('x', 'Utf8View') AS v",
    "SELECT arrow_cast([1, 2], 'LargeList(Int64)') AS large, arrow_cast(['a'], 'FixedSizeList(1, Utf8)') AS fixed",
    "SELECT X'00ff' AS bytes, '' AS empty, 'größe 🦀' AS text, repeat('x', 100000) AS long",
    "SELECT * FROM traces ORDER BY trace_id",
    "SELECT * FROM span_logs ORDER BY time, time_nanos, body",
    "SELECT * FROM service_health ORDER BY 1, 2",
    "SELECT name, kind FROM system.views ORDER BY name",
    "SELECT table_schema, table_name, table_type FROM information_schema.tables ORDER BY 1, 2",
    "EXPLAIN SELECT name FROM spans WHERE service_name = 'shop'",
    "SELECT value, arrow_cast(CAST(value % 3 AS text), 'Dictionary(Int32, Utf8)') AS d FROM generate_series(1, 100000) ORDER BY value",
    "WITH a AS (SELECT name, row_number() OVER (ORDER BY time, span_id) AS n FROM spans) SELECT * FROM a ORDER BY n",
    "SELECT s.name, l.body FROM spans s JOIN logs l ON s.trace_id = l.trace_id ORDER BY 1, 2",
    "SELECT name FROM spans UNION ALL SELECT body FROM logs ORDER BY 1",
    "SELECT 1 AS n UNION ALL SELECT 2.5 ORDER BY 1",
    "SELECT coalesce(http_route, 'none') AS route, attr('tenant.id') AS tenant FROM spans ORDER BY time, span_id",
]


def check_every_query_gives_the_rows_types_and_metadata_that_the_http_api_gives(doors):
    with doors.cursor() as cursor:
        for sql in QUERIES:
            expected = doors.ask_http(sql)
            given = cursor.execute(sql).fetch_arrow_table()
            given.validate(full=True)
            # By values: dictionaries may differ, and NaN is not equal to itself.
            same = repr(given.to_pylist()) == repr(expected.to_pylist())
            assert same and given.schema.equals(expected.schema, check_metadata=True), f"{sql}\n{given}\n{expected}"


def check_a_schema_that_is_told_beforehand_is_that_of_the_rows(doors):
    client = doors.raw()
    with doors.cursor() as cursor:
        for sql in QUERIES:
            info = client.get_flight_info(query(sql))
            (endpoint,) = info.endpoints
            rows = client.do_get(endpoint.ticket)
            schemas = [info.schema, client.get_schema(query(sql)).schema, cursor.adbc_execute_schema(sql)]
            for schema in schemas:
                assert schema.equals(rows.schema, check_metadata=True), f"{sql}\n{schema}\n{rows.schema}"
            rows.cancel()


def check_a_result_of_a_thousand_columns(doors):
    columns = ", ".join(f"{number} AS c{number}, 'v{number}' AS t{number}" for number in range(500))
    table = doors.ask(f"SELECT {columns} FROM generate_series(1, 3)")
    assert (table.num_rows, table.num_columns) == (3, 1000)
    assert table.column("c499").to_pylist() == [499] * 3


def check_no_rows_have_their_columns(doors):
    table = doors.ask("SELECT name, attributes, events, time FROM spans WHERE service_name = 'nobody'")
    assert table.num_rows == 0
    assert table.schema.names == ["name", "attributes", "events", "time"]
    assert pyarrow.types.is_map(table.schema.field("attributes").type)
    assert table.schema.field("time").type == pyarrow.timestamp("us", "UTC")


def check_a_statement_that_is_not_prepared(doors):
    with doors.connect() as connection:
        statement = adbc_driver_manager.AdbcStatement(connection.adbc_connection)
        statement.set_sql_query("SELECT count(*) AS n FROM spans")
        stream, count = statement.execute_query()
        reader = pyarrow.RecordBatchReader._import_from_c(stream.address)
        assert reader.read_all().to_pylist() == doors.ask_http("SELECT count(*) AS n FROM spans").to_pylist()
        assert count == -1
        statement.close()


def check_partitions_and_incremental_execution(doors):
    with doors.cursor() as cursor:
        partitions, schema = cursor.adbc_execute_partitions("SELECT value FROM generate_series(1, 10) ORDER BY 1")
        assert (len(partitions), schema.names) == (1, ["value"])
        cursor.adbc_read_partition(partitions[0])
        assert cursor.fetch_arrow_table().column(0).to_pylist() == list(range(1, 11))
        cursor.adbc_statement.set_options(**{"adbc.statement.exec.incremental": "true"})
        partitions, _ = cursor.adbc_execute_partitions("SELECT 1 AS one")
        assert len(partitions) == 1


def check_rows_of_dbapi(doors):
    with doors.cursor() as cursor:
        cursor.execute("SELECT value AS n, 'x' AS t FROM generate_series(1, 5) ORDER BY 1")
        assert [column[0] for column in cursor.description] == ["n", "t"]
        assert cursor.fetchone() == (1, "x")
        assert cursor.fetchmany(2) == [(2, "x"), (3, "x")]
        assert cursor.fetchall() == [(4, "x"), (5, "x")]
