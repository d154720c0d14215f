"""`python -m doors.cancel WAY ADDRESS`: starts the query on standard input, says so, and when told stops it the way's way.

The query never ends by itself. What the client is told then is the last line.
"""

import sys
import threading

import adbc_driver_flightsql.dbapi
import psycopg
import requests


def in_background(run):
    """Runs what waits for the query; answers how to wait for what it was told."""
    told = []

    def running():
        try:
            told.append(f"rows: {run()}")
        except Exception as error:
            told.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=running)
    thread.start()

    def wait():
        thread.join()
        return told[0].splitlines()[0]

    return wait


def http_close(url, sql):
    session = requests.Session()
    response = session.post(f"{url}/v1/sql", data=sql, headers={"accept": "application/x-ndjson"}, stream=True)
    yield
    response.close()
    yield "closed"


def http_post(url, sql):
    def run():
        return requests.post(f"{url}/v1/sql", data=sql, headers={"x-query-id": "mine"}).json()["type"]

    wait = in_background(run)
    yield
    assert requests.post(f"{url}/v1/sql/cancel", data="mine").status_code == 200
    yield wait()


def postgres(conninfo, sql):
    with psycopg.connect(conninfo, autocommit=True) as connection:
        wait = in_background(lambda: connection.execute(sql).fetchall())
        yield
        connection.cancel_safe()
        yield wait()


def flight(uri, sql):
    with adbc_driver_flightsql.dbapi.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:

        def run():
            cursor.execute(sql)
            return cursor.fetchall()

        wait = in_background(run)
        yield
        cursor.adbc_cancel()
        yield wait()


WAYS = {"http_close": http_close, "http_post": http_post, "postgres": postgres, "flight": flight}
query, _, _ = sys.stdin.readline().partition("\n")
steps = WAYS[sys.argv[1]](sys.argv[2], query)
next(steps)
print("running", flush=True)
sys.stdin.readline()
print(next(steps), flush=True)
