"""Results as streams: what is large, what is left, what is cancelled."""

import threading

import adbc_driver_manager
import pyarrow.flight

from .commands import command, field, query
from .doors import raises

SILENT = "SELECT max(value) FROM generate_series(1, 9000000000000000)"
ENDLESS = "SELECT value FROM generate_series(1, 9000000000000000)"

# Flight's `CancelStatus`.
STOPPED, NOT_CANCELLABLE = 1, 3
CANCELLED = 'telestrata_queries_total{outcome="cancelled"}'


def check_a_result_far_larger_than_the_memory_limit_comes_whole(doors):
    rows, width = 600_000, 1_000
    with doors.cursor() as cursor:
        cursor.execute(f"SELECT value, repeat('x', {width}) AS text FROM generate_series(1, {rows})")
        count, total = 0, 0
        for batch in cursor.fetch_record_batch():
            count += batch.num_rows
            total += sum(batch.column(0).to_pylist()[:1])
            assert batch.nbytes < 4 << 20
        assert (count, total > 0) == (rows, True)


def check_cancelling_a_cursor_stops_a_query_that_has_no_rows_yet(doors):
    before = doors.metric(CANCELLED)
    with doors.cursor() as cursor:
        failures = []

        def ask():
            try:
                cursor.execute(SILENT).fetchall()
            except adbc_driver_manager.Error as error:
                failures.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        doors.until_running(1)
        assert [(each["door"], each["query"]) for each in doors.running()] == [("flight", SILENT)]
        cursor.adbc_cancel()
        print(f"  stopped after {doors.until_running(0):.3f} s")
        asking.join()
        assert len(failures) == 1 and "ancel" in str(failures[0]), failures
    doors.until(lambda: doors.metric(CANCELLED) == before + 1)


def check_closing_a_cursor_stops_its_query(doors):
    before = doors.metric(CANCELLED)
    with doors.cursor() as cursor:
        reader = cursor.execute(ENDLESS).fetch_record_batch()
        assert reader.read_next_batch().num_rows > 0
        doors.until_running(1)
        reader.close()
    doors.until_running(0)
    assert doors.metric(CANCELLED) == before + 1


def check_a_client_that_stops_reading_stops_its_query(doors):
    client = doors.raw()
    info = client.get_flight_info(query(ENDLESS))
    assert doors.metric("telestrata_running_queries") == 0, "nothing runs before it is read"
    rows = client.do_get(info.endpoints[0].ticket)
    assert rows.read_chunk().data.num_rows > 0
    doors.until_running(1)
    rows.cancel()
    doors.until_running(0)


def check_a_query_is_cancelled_by_its_flight_info(doors):
    client = doors.raw()
    info = client.get_flight_info(query(SILENT))

    def cancel():
        (result,) = client.do_action(pyarrow.flight.Action("CancelFlightInfo", field(1, info.serialize())))
        return result.body.to_pybytes()

    assert cancel() == field(1, NOT_CANCELLABLE)
    rows = client.do_get(info.endpoints[0].ticket)
    doors.until_running(1)
    assert cancel() == field(1, STOPPED)
    doors.until_running(0)
    with raises(pyarrow.flight.FlightCancelledError, "was cancelled"):
        rows.read_chunk()


def check_a_query_is_cancelled_as_older_clients_do_it(doors):
    client = doors.raw()
    info = client.get_flight_info(query(SILENT))
    rows = client.do_get(info.endpoints[0].ticket)
    doors.until_running(1)
    action = pyarrow.flight.Action("CancelQuery", command("ActionCancelQueryRequest", (1, info.serialize())))
    (result,) = client.do_action(action)
    assert result.body.to_pybytes().endswith(field(2, field(1, STOPPED)))
    doors.until_running(0)
    rows.cancel()


def check_a_ticket_is_good_again_once_its_query_has_ended(doors):
    client = doors.raw()
    ticket = client.get_flight_info(query("SELECT count(*) AS n FROM spans")).endpoints[0].ticket
    assert client.do_get(ticket).read_all() == client.do_get(ticket).read_all()
