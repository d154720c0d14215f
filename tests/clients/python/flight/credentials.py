"""Who comes in: users by password, tokens, sessions, and what each may do."""

import base64

import pyarrow.flight
from adbc_driver_manager import Error, ProgrammingError

from .commands import command, query
from .doors import raises

UNAUTHENTICATED = pyarrow.flight.FlightUnauthenticatedError
FORBIDDEN = pyarrow.flight.FlightUnauthorizedError
SQL = "SELECT 1 AS one"

# As in tests/support/people.rs.
READER = ("query-user", "correct-horse-query")
ADMIN = ("admin-user", "correct-horse-admin")
SENDER = ("ingest-user", "correct-horse-ingest")
TOKEN = "tst_query-token_" + "5ec2e7" * 10


def header(value):
    """Options of a call that shows a header."""
    return pyarrow.flight.FlightCallOptions(headers=[(b"authorization", value.encode())])


def basic(name, password, padding=True):
    shown = base64.b64encode(f"{name}:{password}".encode()).decode()
    return "Basic " + (shown if padding else shown.rstrip("="))


def read(client, options):
    info = client.get_flight_info(query(SQL), options)
    return client.do_get(info.endpoints[0].ticket, options).read_all().to_pylist()


def check_a_name_and_password(doors):
    with doors.cursor(username=READER[0], password=READER[1]) as cursor:
        assert cursor.execute(SQL).fetchall() == [(1,)]
    assert read(doors.raw(), header(basic(*ADMIN))) == [{"one": 1}]


def check_a_token_of_the_configuration(doors):
    with doors.cursor(**{"adbc.flight.sql.authorization_header": f"Bearer {TOKEN}"}) as cursor:
        assert cursor.execute(SQL).fetchall() == [(1,)]
    assert read(doors.raw(), header(f"Bearer {TOKEN}")) == [{"one": 1}]


def check_a_session(doors):
    client = doors.raw()
    session = client.authenticate_basic_token(*READER)
    options = pyarrow.flight.FlightCallOptions(headers=[session])
    assert read(client, options) == [{"one": 1}]
    changed = b"1" if session[1].endswith(b"0") else b"0"
    forged = pyarrow.flight.FlightCallOptions(headers=[(session[0], session[1][:-1] + changed)])
    with raises(UNAUTHENTICATED):
        read(client, forged)


def check_who_shows_nothing_or_something_wrong_is_kept_out(doors):
    name, password = READER
    client = doors.raw()
    with raises(UNAUTHENTICATED):
        client.authenticate_basic_token(name, password + "x")
    for wrong in ("", "Bearer ", "Bearer nonsense", "Basic nonsense", basic("nobody", "nothing"), basic(name, "")):
        with raises(UNAUTHENTICATED):
            read(client, header(wrong))
    calls = [
        lambda: client.get_flight_info(query(SQL)),
        lambda: client.do_get(pyarrow.flight.Ticket(b"")).read_all(),
        lambda: list(client.do_action(pyarrow.flight.Action("ClosePreparedStatement", b""))),
        lambda: list(client.list_actions()),
    ]
    for call in calls:
        with raises(UNAUTHENTICATED):
            call()
    # PyArrow has no kind of error for this call.
    with raises(OSError, "unauthenticated"):
        client.get_schema(query(SQL))
    with raises(Error, "UNAUTHENTICATED"), doors.cursor() as cursor:
        cursor.execute(SQL)


def check_who_may_not_ask_is_told_so(doors):
    """He is known: his credentials are of a length that base64 pads, which ADBC does not."""
    client = doors.raw()
    for padding in (True, False):
        assert basic(*SENDER).endswith("=")
        with raises(FORBIDDEN, "lacks the role `query`"):
            read(client, header(basic(*SENDER, padding)))
    with raises(ProgrammingError, "lacks the role"), doors.cursor(username=SENDER[0], password=SENDER[1]) as cursor:
        cursor.execute(SQL)
    for name in ("CommandGetTables", "CommandGetSqlInfo", "CommandGetPrimaryKeys"):
        ticket = pyarrow.flight.Ticket(command(name))
        with raises(FORBIDDEN, "lacks the role"):
            client.do_get(ticket, header(basic(*SENDER))).read_all()


def check_a_ticket_is_its_owners(doors):
    client = doors.raw()
    ticket = client.get_flight_info(query(SQL), header(basic(*READER))).endpoints[0].ticket
    with raises(FORBIDDEN, "somebody else"):
        client.do_get(ticket, header(basic(*ADMIN))).read_all()
    assert client.do_get(ticket, header(basic(*READER))).read_all().num_rows == 1
