"""What is wrong or not done here, and how clients are told."""

import pyarrow
import pyarrow.flight
from adbc_driver_manager import DatabaseError, Error, NotSupportedError, ProgrammingError

from .commands import command, descriptor, field, query
from .doors import raises


def check_an_error_has_its_code_and_its_place_in_the_query(doors):
    with doors.cursor() as cursor:
        with raises(ProgrammingError, "INVALID_ARGUMENT", "nme"):
            cursor.execute("SELECT 1,\n  nme FROM spans")
        try:
            cursor.execute("SELECT 1,\n  nme FROM spans")
        except Error as error:
            details = {key: value for key, value in error.details}
            assert (details[b"x-query-line"], details[b"x-query-column"]) == (b"2", b"3"), details
            assert "(line 2, column 3)" in str(error), error
        with raises(ProgrammingError, "Line: 1, Column: 1"):
            cursor.execute("SELEC 1")
        with raises(ProgrammingError, "nowhere"):
            cursor.execute("SELECT * FROM nowhere")


def check_an_error_amid_the_rows_is_no_end_of_them(doors):
    failing = "SELECT 1 / (value - 900000) AS x FROM generate_series(1, 1000000)"
    with doors.cursor() as cursor, raises(DatabaseError, "ivide by zero"):
        cursor.execute(failing).fetch_arrow_table()


def check_what_is_no_query_is_refused(doors):
    writing = [
        "INSERT INTO logs (body) VALUES ('x')",
        "DELETE FROM spans",
        "CREATE TABLE mine AS SELECT 1",
        "DROP TABLE spans",
        "COPY spans TO '/tmp/spans.parquet'",
        "CREATE EXTERNAL TABLE mine STORED AS PARQUET LOCATION '/etc'",
        "SET datafusion.execution.batch_size = 1",
        "SELECT 1; SELECT 2",
        "",
    ]
    with doors.cursor() as cursor:
        for sql in writing:
            with raises(Error):
                cursor.execute(sql).fetchall()


def check_updates_transactions_and_ingestion_are_not_implemented(doors):
    with doors.cursor() as cursor:
        with raises(NotSupportedError, "only queries are answered here"):
            cursor.adbc_statement.set_sql_query("DELETE FROM spans")
            cursor.adbc_statement.execute_update()
        with raises(NotSupportedError):
            cursor.adbc_ingest("mine", pyarrow.table({"a": [1]}))
    with doors.cursor() as cursor, raises(NotSupportedError, "Substrait"):
        cursor.execute(b"a plan")
    client = doors.raw()
    for action in ("BeginTransaction", "EndTransaction", "CreatePreparedSubstraitPlan", "Unknown"):
        with raises(NotImplementedError):
            list(client.do_action(pyarrow.flight.Action(action, b"")))
    puts = [("CommandStatementUpdate", 1), ("CommandPreparedStatementUpdate", 1), ("CommandStatementIngest", 2)]
    for name, number in puts:
        with raises(NotImplementedError):
            writer, reader = client.do_put(descriptor(name, (number, "x")), pyarrow.schema([]))
            writer.done_writing()
            reader.read()
            writer.close()
    with raises(NotImplementedError):
        list(client.list_flights())
    in_transaction = descriptor("CommandStatementQuery", (1, "SELECT 1"), (2, b"mine"))
    with raises(pyarrow.ArrowInvalid, "no such transaction"):
        client.get_flight_info(in_transaction)


def check_the_actions_that_there_are_are_listed(doors):
    actions = {action.type for action in doors.raw().list_actions()}
    assert actions == {"CreatePreparedStatement", "ClosePreparedStatement", "CancelFlightInfo", "CancelQuery"}


def check_what_is_no_ticket_no_command_and_no_handle_is_refused(doors):
    client = doors.raw()
    tickets = [b"", b"nonsense", b"\xff" * 100, field(1, "unknown/type") + field(2, b"x")]
    tickets += [command("TicketStatementQuery", (1, handle)) for handle in (b"", b"nonsense", b"\x0a\xff\xff\xff\x0f")]
    tickets += [command("CommandPreparedStatementQuery", (1, b"nonsense")), command("CommandStatementUpdate", (1, "x"))]
    for ticket in tickets:
        with raises((pyarrow.ArrowInvalid, NotImplementedError)):
            client.do_get(pyarrow.flight.Ticket(ticket)).read_all()
    with raises(pyarrow.ArrowInvalid, "no paths"):
        client.get_flight_info(pyarrow.flight.FlightDescriptor.for_path("spans"))
    for name in ("CommandPreparedStatementQuery", "TicketStatementQuery", "CommandUnheardOf"):
        with raises(pyarrow.ArrowInvalid):
            client.get_flight_info(descriptor(name, (1, b"nonsense")))


def check_a_ticket_of_somebody_else_is_refused(doors):
    theirs = field(1, "SELECT 1") + field(3, "somebody")
    with raises(pyarrow.flight.FlightUnauthorizedError, "somebody else"):
        doors.raw().do_get(pyarrow.flight.Ticket(command("TicketStatementQuery", (1, theirs)))).read_all()


def check_a_query_that_is_too_long_is_refused(doors):
    with raises(Exception, "at most 1048576"):
        doors.raw().get_flight_info(query("SELECT 1 -- " + "x" * 1_100_000))
    with raises(Exception):
        doors.raw().get_flight_info(query("SELECT 1 -- " + "x" * 5_000_000))


def check_a_name_and_password_are_a_session_also_where_none_are_needed(doors):
    with doors.cursor(username="ann", password="secret") as cursor:
        assert cursor.execute("SELECT 1").fetchall() == [(1,)]
    client = doors.raw()
    header, value = client.authenticate_basic_token("ann", "secret")
    assert (header, value.startswith(b"Bearer ")) == (b"authorization", True)
    options = pyarrow.flight.FlightCallOptions(headers=[(header, value)])
    info = client.get_flight_info(query("SELECT 1 AS one"), options)
    assert client.do_get(info.endpoints[0].ticket, options).read_all().to_pylist() == [{"one": 1}]
