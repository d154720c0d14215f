"""Commands of Flight SQL as bytes, for clients that know Flight alone."""

import pyarrow.flight

PREFIX = "type.googleapis.com/arrow.flight.protocol.sql."


def varint(number):
    """A number as protobuf writes it."""
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def field(number, value):
    """A field of a message: text, bytes, a number or a truth value."""
    if isinstance(value, (bool, int)):
        return varint(number << 3) + varint(int(value))
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def command(name, *fields):
    """A command, packed; each field is (number, value)."""
    body = b"".join(field(number, value) for number, value in fields)
    return field(1, PREFIX + name) + field(2, body)


def descriptor(name, *fields):
    return pyarrow.flight.FlightDescriptor.for_command(command(name, *fields))


def query(sql):
    return descriptor("CommandStatementQuery", (1, sql))
