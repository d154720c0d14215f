"""Parameters of prepared statements: their types, NULLs, and what is refused."""

import datetime
import decimal

import pyarrow
from adbc_driver_manager import InternalError, NotSupportedError, ProgrammingError

from .doors import raises

DAY = datetime.date(2023, 11, 14)
MOMENT = datetime.datetime(2023, 11, 14, 22, 13, 20, 123456)
CLOCK = datetime.time(22, 13, 20, 123456)
SPAN = datetime.timedelta(days=2, microseconds=5)
AMOUNT = decimal.Decimal("123.45")

# A type and a value of it.
TYPED = [
    (pyarrow.bool_(), True),
    *[(kind, 100) for kind in (pyarrow.int8(), pyarrow.int16(), pyarrow.int32(), pyarrow.int64())],
    *[(kind, 200) for kind in (pyarrow.uint8(), pyarrow.uint16(), pyarrow.uint32(), pyarrow.uint64())],
    (pyarrow.int64(), -(2**63)),
    (pyarrow.uint64(), 2**64 - 1),
    (pyarrow.float32(), 1.5),
    (pyarrow.float64(), 0.1),
    (pyarrow.decimal128(10, 2), AMOUNT),
    (pyarrow.decimal256(50, 2), AMOUNT),
    (pyarrow.string(), "größe 🦀 'so'; --"),
    (pyarrow.string(), ""),
    (pyarrow.large_string(), "x"),
    (pyarrow.binary(), b"\x00\xff"),
    (pyarrow.large_binary(), b"\x00"),
    (pyarrow.binary(3), b"abc"),
    (pyarrow.date32(), DAY),
    (pyarrow.date64(), DAY),
    (pyarrow.time32("ms"), datetime.time(22, 13, 20, 123000)),
    (pyarrow.time64("us"), CLOCK),
    (pyarrow.timestamp("s"), MOMENT.replace(microsecond=0)),
    (pyarrow.timestamp("ms", "UTC"), MOMENT.replace(microsecond=123000, tzinfo=datetime.timezone.utc)),
    (pyarrow.timestamp("us"), MOMENT),
    (pyarrow.timestamp("us", "UTC"), MOMENT.replace(tzinfo=datetime.timezone.utc)),
    (pyarrow.duration("us"), SPAN),
]


def bound(*columns):
    """One row of parameters; each column is (type, value)."""
    arrays = [pyarrow.array([value], kind) for kind, value in columns]
    return pyarrow.record_batch(arrays, names=[str(number) for number in range(len(arrays))])


def check_a_value_of_every_scalar_type_comes_back_as_it_was_bound(doors):
    with doors.cursor() as cursor:
        for kind, value in TYPED:
            for each in (value, None):
                table = cursor.execute("SELECT $1 AS v, $1 IS NULL AS n", bound((kind, each))).fetch_arrow_table()
                assert table.to_pylist() == [{"v": each, "n": each is None}], f"{kind}: {table}"
                assert table.schema.field("v").type == kind, f"{kind}: {table.schema}"


def check_python_values_in_conditions(doors):
    start = datetime.datetime(2023, 11, 14, tzinfo=datetime.timezone.utc)
    written = "time >= '2023-11-14T00:00:00Z' AND service_name = 'shop' AND duration_nano > 0 AND date >= '2023-11-14'"
    sql = "SELECT count(*) AS n FROM spans WHERE time >= $1 AND service_name = $2 AND duration_nano > $3 AND date >= $4"
    given = doors.ask(sql, (start, "shop", 0, DAY)).to_pylist()
    assert given == doors.ask_http(f"SELECT count(*) AS n FROM spans WHERE {written}").to_pylist()
    assert given[0]["n"] > 0
    assert doors.ask("SELECT count(*) AS n FROM spans WHERE service_name = $1", (None,)).to_pylist() == [{"n": 0}]
    assert doors.ask("SELECT attributes[$1] IS NOT NULL AS there FROM spans LIMIT $2", ("batch", 2)).to_pylist() == [{"there": True}] * 2


def check_a_statement_is_bound_again_and_a_parameter_is_used_twice(doors):
    with doors.cursor() as cursor:
        for number in (1, 2, None):
            rows = cursor.execute("SELECT $1::bigint + 1 AS a, $2 AS b, $1::bigint AS c", (number, "x")).fetchall()
            assert rows == [(None if number is None else number + 1, "x", number)]


def check_the_types_that_parameters_should_have_are_told(doors):
    with doors.cursor() as cursor:
        schema = cursor.adbc_prepare("SELECT name FROM spans WHERE duration_nano > $1 AND name = $2 AND $3 IS NULL")
        assert schema.names == ["$1", "$2", "$3"]
        assert schema.field(0).type == pyarrow.int64()
        assert pyarrow.types.is_string(schema.field(1).type) or pyarrow.types.is_string_view(schema.field(1).type)
        assert pyarrow.types.is_null(schema.field(2).type)
        assert len(cursor.adbc_prepare("SELECT 1")) == 0


def check_a_number_of_values_that_does_not_fit_is_refused(doors):
    for values in (None, (1,), (1, 2, 3)):
        count = len(values or ())
        with raises(ProgrammingError, "the query has 2 parameters", f"{count} are bound"):
            doors.ask("SELECT $1 AS a, $2 AS b", values)


def check_other_ways_to_write_a_parameter_are_refused(doors):
    with raises(ProgrammingError, "`?` is no parameter here; write $1"):
        doors.ask("SELECT ? AS a", (1,))
    with raises(NotSupportedError, "bind_by_name"):
        doors.ask("SELECT $1 AS a", {"a": 1})


def check_several_rows_are_refused(doors):
    rows = pyarrow.record_batch([pyarrow.array([1, 2, 3])], names=["n"])
    with raises(ProgrammingError, "3 rows were bound", "run it once for each"):
        doors.ask("SELECT $1 AS n", rows)
    with raises(ProgrammingError, "rows were bound"):
        doors.ask("SELECT $1 AS n", pyarrow.RecordBatchReader.from_batches(rows.schema, [rows.slice(0, 1)] * 2))
    with doors.cursor() as cursor, raises(NotSupportedError, "only queries are answered here"):
        cursor.executemany("SELECT $1 AS n", [(1,), (2,)])


def check_values_that_are_too_large_are_refused(doors):
    with raises(InternalError, "bytes were sent to bind"):
        doors.ask("SELECT length($1) AS n", ("x" * 2_000_000,))
    assert doors.ask("SELECT length($1) AS n", ("x" * 900_000,)).to_pylist() == [{"n": 900_000}]
