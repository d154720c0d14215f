"""Data frames and DuckDB, as a notebook uses them."""

import warnings

import duckdb
import pandas
import polars
from polars.testing import assert_frame_equal

SQL = "SELECT service_name, time, duration_nano, attributes, events, http_route FROM spans ORDER BY time, span_id"


def check_polars_over_a_connection(doors):
    expected = polars.from_arrow(doors.ask_http(SQL))
    with doors.connect() as connection:
        frame = polars.read_database(SQL, connection)
        assert_frame_equal(frame, expected)
        chosen = "SELECT count(*) AS n FROM spans WHERE service_name = $1"
        counted = polars.read_database(chosen, connection, execute_options={"parameters": ["shop"]})
        assert counted.item() == expected.filter(polars.col("service_name") == "shop").height
        batches = polars.read_database(SQL, connection, iter_batches=True, batch_size=10)
        assert sum(batch.height for batch in batches) == expected.height


def check_polars_over_a_uri(doors):
    expected = polars.from_arrow(doors.ask_http(SQL))
    with warnings.catch_warnings():
        # It gives no way to say that transactions are not wanted.
        warnings.filterwarnings("ignore", "Cannot disable autocommit")
        frame = polars.read_database_uri(SQL, f"flightsql://{doors.flight}?transport=tcp", engine="adbc")
    assert_frame_equal(frame, expected)


def check_pandas(doors):
    expected = doors.ask_http(SQL)
    with doors.connect() as connection:
        frame = pandas.read_sql(SQL, connection)
        assert list(frame.columns) == expected.schema.names
        assert len(frame) == expected.num_rows
        assert str(frame["time"].dt.tz) == "UTC"
        assert [dict(each) for each in frame["attributes"]] == [dict(each) for each in expected["attributes"].to_pylist()]
        typed = pandas.read_sql("SELECT 1::bigint AS n, NULL::bigint AS m", connection, dtype_backend="pyarrow")
        assert [str(kind) for kind in typed.dtypes] == ["int64[pyarrow]", "int64[pyarrow]"]
        with connection.cursor() as cursor:
            assert len(cursor.execute(SQL).fetch_df()) == expected.num_rows


def check_duckdb_over_a_reader(doors):
    with doors.cursor() as cursor:
        cursor.execute(SQL)
        spans = cursor.fetch_record_batch()
        with duckdb.connect() as database:
            counted = database.execute("SELECT service_name, count(*), count(attributes['batch']) FROM spans GROUP BY ALL ORDER BY 1")
            expected = "SELECT service_name AS a, count(*) AS b, count(attributes['batch']) AS c FROM spans GROUP BY 1 ORDER BY 1"
            expected = [tuple(row.values()) for row in doors.ask_http(expected).to_pylist()]
            assert counted.fetchall() == expected and len(expected) > 1
            kept = doors.ask("SELECT * FROM metrics")
            database.register("points", kept)
            assert database.execute("SELECT count(*) FROM points").fetchone() == (kept.num_rows,)
        assert spans is not None
