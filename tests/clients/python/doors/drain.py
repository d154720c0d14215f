"""`python -m doors.drain DOOR ADDRESS`: reads the SQL on standard input to its end, keeping nothing; prints rows and bytes of text."""

import sys

import adbc_driver_flightsql.dbapi
import psycopg
import pyarrow as pa
import requests


def arrow(batches):
    rows = size = 0
    for batch in batches:
        rows, size = rows + batch.num_rows, size + batch.nbytes
    return rows, size


def http(url, sql):
    headers = {"accept": "application/vnd.apache.arrow.stream"}
    with requests.post(f"{url}/v1/sql", data=sql, headers=headers, stream=True) as response:
        with pa.ipc.open_stream(response.raw) as stream:
            return arrow(stream)


def ndjson(url, sql):
    rows = size = 0
    headers = {"accept": "application/x-ndjson", "accept-encoding": "identity"}
    with requests.post(f"{url}/v1/sql", data=sql, headers=headers, stream=True) as response:
        for chunk in response.iter_content(1 << 20):
            rows, size = rows + chunk.count(b"\n"), size + len(chunk)
    return rows, size


def postgres(conninfo, sql):
    rows = size = 0
    with psycopg.connect(conninfo, autocommit=True) as connection, connection.cursor() as cursor:
        for row in cursor.stream(sql):
            rows, size = rows + 1, size + len(row[1])
    return rows, size


def flight(uri, sql):
    with adbc_driver_flightsql.dbapi.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return arrow(cursor.fetch_record_batch())


DRAIN = {"http": http, "ndjson": ndjson, "postgres": postgres, "flight": flight}
print(*DRAIN[sys.argv[1]](sys.argv[2], sys.stdin.read()))
