"""PostgreSQL: `python -m doors postgres CONNINFO text|binary`, by psycopg 3."""

import re
import struct
from datetime import date, datetime, time

import psycopg
from psycopg.adapt import Loader
from psycopg.pq import Format
from decimal import Decimal

from . import neutral
from .parameters import python_value

# How a parameter of a type is sent; the types that the server infers are not asked.
NUMBERED = re.compile(r"\$(\d+)")


class TextInterval(Loader):
    """PostgreSQL's `1 year 2 mons 3 days 04:05:06.7`, of which psycopg's own type has no months."""

    def load(self, data):
        text = bytes(data).decode()
        parts = dict.fromkeys(["year", "mon", "day"], 0)
        for count, unit in re.findall(r"([+-]?\d+) (year|mon|day)s?", text):
            parts[unit] = int(count)
        clock = re.search(r"([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d+))?$", text)
        nanos = 0
        if clock:
            sign, hours, minutes, seconds, rest = clock.groups()
            nanos = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1_000_000_000 + int((rest or "0").ljust(9, "0"))
            nanos *= -1 if sign == "-" else 1
        return Interval(parts["year"] * 12 + parts["mon"], parts["day"], nanos)


class BinaryInterval(Loader):
    format = Format.BINARY

    def load(self, data):
        micros, days, months = struct.unpack("!qii", bytes(data))
        return Interval(months, days, micros * 1000)


class Interval(tuple):
    def __new__(cls, *parts):
        return super().__new__(cls, parts)


class TextJson(Loader):
    def load(self, data):
        return Json(bytes(data).decode())


class BinaryJson(TextJson):
    format = Format.BINARY


class BinaryJsonb(Loader):
    format = Format.BINARY

    def load(self, data):
        return Json(bytes(data)[1:].decode())


class Json(str):
    pass


def ask(conninfo, queries, form):
    with psycopg.connect(conninfo, autocommit=True) as connection:
        adapters = connection.adapters
        adapters.register_loader("interval", TextInterval)
        adapters.register_loader("interval", BinaryInterval)
        for name, binary in [("json", BinaryJson), ("jsonb", BinaryJsonb)]:
            adapters.register_loader(name, TextJson)
            adapters.register_loader(name, binary)
        for query in queries:
            with psycopg.RawCursor(connection) as cursor:
                try:
                    yield answer(cursor, query, form == "binary")
                except psycopg.Error as error:
                    diag = error.diag
                    said = {"sqlstate": error.sqlstate, "message": str(error), "position": diag.statement_position}
                    yield {"name": query["name"], "error": said}


def answer(cursor, query, binary):
    params = [python_value(parameter) for parameter in query["params"]]
    cursor.execute(query["sql"], params or None, binary=binary)
    types = cursor.connection.adapters.types
    columns = []
    for column in cursor.description:
        info = types.get(column.type_code)
        name = info.name if info else str(column.type_code)
        columns.append([column.name, name if info is None or info.oid == column.type_code else f"{name}[]"])
    kinds = [kind for _, kind in columns]
    rows = [[cell(value, kind) for value, kind in zip(row, kinds)] for row in cursor]
    return {"name": query["name"], "columns": columns, "rows": rows}


def cell(value, kind):
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case Json():
            return neutral.of_json(neutral.load_json(value))
        case Interval():
            return neutral.interval(*value)
        case int() | str():
            return str(value)
        case float():
            return neutral.real(value) if kind.startswith("float4") else neutral.double(value)
        case Decimal():
            return neutral.decimal(value)
        case bytes():
            return value.hex()
        case datetime():
            return neutral.of_datetime(value)
        case date():
            return value.isoformat()
        case time():
            return neutral.of_time(value)
        case list():
            return [cell(item, kind) for item in value]
    raise TypeError(f"{value!r} of {kind}")
