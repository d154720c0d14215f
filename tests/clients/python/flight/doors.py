"""A running server, as its clients reach it."""

import contextlib
import json
import time
import urllib.request

import adbc_driver_flightsql.dbapi
import pyarrow.flight
import pyarrow.ipc

PATIENCE = 60


class Doors:
    """The doors of one server."""

    def __init__(self, flight, http):
        self.flight = flight
        self.http = http

    @property
    def uri(self):
        return f"grpc://{self.flight}"

    def connect(self, **options):
        """A connection of ADBC's Flight SQL driver."""
        return adbc_driver_flightsql.dbapi.connect(self.uri, db_kwargs=options, autocommit=True)

    @contextlib.contextmanager
    def cursor(self, **options):
        with self.connect(**options) as connection, connection.cursor() as cursor:
            yield cursor

    def ask(self, query, parameters=None):
        """The rows of a query as a PyArrow table, over ADBC."""
        with self.cursor() as cursor:
            return cursor.execute(query, parameters).fetch_arrow_table()

    def ask_http(self, query):
        """The same over the HTTP API."""
        headers = {"accept": "application/vnd.apache.arrow.stream", "content-type": "text/plain"}
        request = urllib.request.Request(f"{self.http}/v1/sql", query.encode(), headers)
        with urllib.request.urlopen(request) as response:
            return pyarrow.ipc.open_stream(response.read()).read_all()

    def raw(self):
        """A client of Flight without SQL."""
        return pyarrow.flight.connect(self.uri)

    def metric(self, line):
        """The value of a metric, 0 where it was never counted."""
        with urllib.request.urlopen(f"{self.http}/metrics") as response:
            for text in response.read().decode().splitlines():
                if text.startswith(line + " "):
                    return float(text.rsplit(" ", 1)[1])
        return 0.0

    def running(self):
        """The queries that the server runs."""
        with urllib.request.urlopen(f"{self.http}/v1/sql/running") as response:
            return json.load(response)

    def until(self, condition):
        """Waits until it is so, and answers how many seconds that took."""
        begin = time.monotonic()
        while not condition():
            assert time.monotonic() - begin < PATIENCE, "what was waited for did not come"
            time.sleep(0.005)
        return time.monotonic() - begin

    def until_running(self, count):
        """Waits until that many queries run."""
        return self.until(lambda: self.metric("telestrata_running_queries") == count)


@contextlib.contextmanager
def raises(kind, *parts):
    """What is inside fails with an error of this kind, whose message has these parts."""
    try:
        yield
    except kind as error:
        for part in parts:
            assert part in str(error), f"no {part!r} in: {error}"
    else:
        raise AssertionError(f"no {kind.__name__} was raised")
