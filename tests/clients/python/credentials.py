"""PostgreSQL and Flight SQL clients at a server with TLS and credentials.

`credentials.py POSTGRES FLIGHT CA USER PASSWORD TOKEN`
"""

import contextlib
import sys

import adbc_driver_flightsql.dbapi
import adbc_driver_manager
import psycopg
from adbc_driver_flightsql import DatabaseOptions


@contextlib.contextmanager
def refused(kind, *words):
    """Fails where the block does not."""
    try:
        yield
    except kind as error:
        assert any(word.lower() in str(error).lower() for word in words), error
    else:
        raise AssertionError(f"not refused: {words}")


def check_postgres(address, ca, user, password):
    host, port = address.rsplit(":", 1)
    place = {"host": host, "port": port, "dbname": "telestrata", "user": user, "connect_timeout": 60}
    safe = {"sslmode": "verify-full", "sslrootcert": ca}
    with psycopg.connect(**place, **safe, password=password) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        assert connection.pgconn.ssl_in_use
    with refused(psycopg.OperationalError, "TLS", "SSL"):
        psycopg.connect(**place, sslmode="disable", password=password)
    with refused(psycopg.OperationalError, "password"):
        psycopg.connect(**place, **safe, password="wrong")
    with refused(psycopg.OperationalError, "certificate verify failed"):
        psycopg.connect(**place, sslmode="verify-full", sslrootcert="system", password=password)


def check_flight(address, ca, user, password, token):
    def ask(scheme, **options):
        with adbc_driver_flightsql.dbapi.connect(f"{scheme}://{address}", db_kwargs=options) as connection:
            with connection.cursor() as cursor:
                return cursor.execute("select 1 as one").fetchall()

    with open(ca) as file:
        safe = {DatabaseOptions.TLS_ROOT_CERTS.value: file.read()}
    bearer = DatabaseOptions.AUTHORIZATION_HEADER.value
    assert ask("grpc+tls", username=user, password=password, **safe) == [(1,)]
    assert ask("grpc+tls", **{bearer: f"Bearer {token}"}, **safe) == [(1,)]
    wrong = adbc_driver_manager.Error
    with refused(wrong, "unauthenticated"):
        ask("grpc+tls", username=user, password="wrong", **safe)
    with refused(wrong, "unauthenticated"):
        ask("grpc+tls", **{bearer: "Bearer tst_nobody_0"}, **safe)
    with refused(wrong, "unauthenticated"):
        ask("grpc+tls", **safe)
    with refused(wrong, "certificate"):
        ask("grpc+tls", username=user, password=password)
    with refused(wrong, "unavailable", "connection", "eof"):
        ask("grpc", username=user, password=password)


if __name__ == "__main__":
    postgres, flight, ca, user, password, token = sys.argv[1:]
    check_postgres(postgres, ca, user, password)
    check_flight(flight, ca, user, password, token)
    print("all as it should be")
