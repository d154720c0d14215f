"""PostgreSQL clients of Python against telestrata's door: `python postgres WHAT HOST PORT HTTP`.

Each function checks what it gets, and says `passed` at its end.
"""

import datetime as dt
import decimal
import json
import sys
import threading
import time
import urllib.request

UTC = dt.timezone.utc
FIRST = dt.datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
SILENT = "SELECT max(value) FROM generate_series(1, 9000000000000000)"


def connect(**options):
    import psycopg

    return psycopg.connect(host=HOST, port=PORT, user="ann", dbname="telestrata", **options)


def psycopg_values():
    with connect() as connection:
        assert connection.info.server_version == 160000
        assert connection.info.parameter_status("TimeZone") == "UTC"
        for binary in (False, True):
            with connection.cursor(binary=binary) as cursor:
                values(cursor)
        # The same statement again and again is prepared, and then again.
        for number in range(10):
            row = connection.execute("SELECT count(*) FROM logs WHERE body = %s", [f"log {number}"]).fetchone()
            assert row == (1,), row
        connection.execute("DISCARD ALL") if connection.autocommit else connection.rollback()


def values(cursor):
    cursor.execute(
        "SELECT time, body, attributes, severity_number, trace_id FROM logs WHERE body = %s AND time >= %s",
        ["log 3", FIRST],
    )
    (row,) = cursor.fetchall()
    assert row == (FIRST + dt.timedelta(seconds=3), "log 3", {"number": "3"}, 9, None), row
    sent = [True, 7, 2**40, 0.1, decimal.Decimal("12.50"), "ü'\"", b"\x00\xff", dt.date(2024, 2, 29), FIRST, None]
    cursor.execute("SELECT " + ", ".join(["%b" if cursor.format else "%t"] * len(sent)), sent)
    assert cursor.fetchone() == tuple(sent), (cursor.format, sent)
    cursor.execute("SELECT count(*) FROM logs WHERE body = ANY(%s)", [["log 1", "log 2", "none"]])
    assert cursor.fetchone() == (2,)
    cursor.execute("SELECT count(*) FROM logs WHERE severity_number = ANY(%s)", [[8, 9]])
    assert cursor.fetchone() == (1000,)
    cursor.execute("SELECT 1.50::decimal(10, 2), 'NaN'::double, interval '1 day', timestamp '2024-01-31 12:00:00.5'")
    number, nan, day, local = cursor.fetchone()
    assert (str(number), nan != nan, day) == ("1.50", True, dt.timedelta(days=1))
    assert local == dt.datetime(2024, 1, 31, 12, 0, 0, 500000)


def psycopg_cursors():
    with connect() as connection:
        for binary in (False, True):
            with connection.cursor("c", binary=binary) as cursor:
                cursor.itersize = 100
                query = "SELECT attributes['number']::bigint FROM logs WHERE body <> %s ORDER BY 1 LIMIT %s"
                cursor.execute(query, ["log 0", 950])
                assert [row[0] for row in cursor] == list(range(1, 951))
        with connection.cursor("endless") as cursor:
            cursor.execute("SELECT value FROM generate_series(1, 9000000000000000)")
            assert cursor.fetchmany(3) == [(1,), (2,), (3,)]
    with connect() as connection, connection.pipeline():
        cursors = [connection.execute("SELECT %s::int", [number]) for number in range(5)]
        assert [cursor.fetchone() for cursor in cursors] == [(number,) for number in range(5)]


def psycopg_copy():
    query = "COPY (SELECT body, severity_number, time FROM logs ORDER BY time, body LIMIT 3) TO STDOUT"
    expected = [(f"log {n}", 9, FIRST + dt.timedelta(seconds=n)) for n in range(3)]
    with connect() as connection, connection.cursor() as cursor:
        for options in ("", " (FORMAT binary)"):
            with cursor.copy(query + options) as copy:
                copy.set_types(["text", "int4", "timestamptz"])
                assert list(copy.rows()) == expected, options


def running():
    with urllib.request.urlopen(f"{HTTP}/v1/sql/running") as answer:
        return json.load(answer)


def psycopg_cancel():
    import psycopg

    connection = connect()
    met = []

    def ask():
        try:
            connection.execute(SILENT)
        except psycopg.errors.QueryCanceled as error:
            met.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    while not running():
        time.sleep(0.01)
    (listed,) = running()
    assert (listed["door"], listed["query"]) == ("postgres", SILENT), listed
    begun = time.monotonic()
    connection.cancel_safe()
    asking.join()
    assert met and met[0].sqlstate == "57014", met
    while running():
        time.sleep(0.01)
    connection.rollback()
    assert connection.execute("SELECT 1::int").fetchone() == (1,)
    print("stopped within", time.monotonic() - begun, "s")


def sqlalchemy_core():
    import sqlalchemy as sa

    engine = sa.create_engine(f"postgresql+psycopg://ann@{HOST}:{PORT}/telestrata", use_native_hstore=False)
    logs = sa.table("logs", sa.column("body"), sa.column("time"), sa.column("severity_number"))
    with engine.connect() as connection:
        query = sa.select(sa.func.count()).where(logs.c.body.in_(["log 1", "log 2"]), logs.c.time >= FIRST)
        assert connection.execute(query.select_from(logs)).scalar_one() == 2
        rows = connection.execution_options(stream_results=True, max_row_buffer=100).execute(
            sa.select(logs.c.body).order_by(logs.c.time, logs.c.body).limit(250)
        )
        assert [row.body for row in rows][:2] == ["log 0", "log 1"]
        assert connection.execute(sa.text("SELECT :n + 1"), {"n": 41}).scalar_one() == 42


def duckdb_query():
    import pathlib

    import duckdb
    import duckdb_extension_postgres_scanner as package

    folder = pathlib.Path(package.__file__).parent
    (extension,) = folder.glob("extensions/v*/postgres_scanner.duckdb_extension")
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{extension}'")
    connection.execute(f"ATTACH 'host={HOST} port={PORT} user=ann dbname=telestrata' AS t (TYPE postgres, READ_ONLY)")
    rows = connection.execute("SELECT * FROM postgres_query('t', 'SELECT count(*) AS n, max(body) AS b FROM logs')")
    assert rows.fetchall() == [(1000, "log 999")]


WHAT, HOST, PORT, HTTP = sys.argv[1:]
globals()[WHAT]()
print("passed")
