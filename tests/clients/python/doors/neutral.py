"""Values in one form, whatever they came as: that of the server's JSON, with every number as its text.

NULL is None; a list is a list; a map or struct is a list of [key, value] pairs, in order; all else is text: numbers with
every digit, times with no more digits than they need in threes, bytes as hex.
"""

import json
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy
import pyarrow as pa

EPOCH = date(1970, 1, 1)


def double(value: float) -> str:
    """As Rust's `{:?}` has it, which is the shortest text that reads back equal."""
    return shortest(value, repr(float(value)))


def real(value: float) -> str:
    return shortest(value, str(numpy.float32(value)))


def shortest(value: float, text: str) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    digits, _, exponent = text.partition("e")
    return f"{digits.removesuffix('.0') if exponent else digits}{'e' + str(int(exponent)) if exponent else ''}"


def fraction(nanos: int) -> str:
    """`.5` s is `.500`: no digits, three, six or nine."""
    if nanos == 0:
        return ""
    digits = f"{nanos:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return "." + digits


def moment(nanos: int, zone: str | None = None) -> str:
    """A time since 1970, in the zone, `+05:45`, where it has one that is not UTC."""
    offset = 0
    if zone not in (None, "UTC", "+00:00"):
        hours, minutes = zone.split(":")
        offset = int(hours) * 60 + (-1 if hours.startswith("-") else 1) * int(minutes)
    seconds, rest = divmod(nanos, 1_000_000_000)
    days, seconds = divmod(seconds + offset * 60, 86_400)
    day = EPOCH + timedelta(days=days)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction(rest)}"
    return f"{day.isoformat()}T{clock}{zone if offset else 'Z'}"


def of_datetime(value: datetime) -> str:
    if value.tzinfo is None:
        value = value.replace(tzinfo=timezone.utc)
    since = value - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return moment(((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000)


def time_of_day(nanos: int) -> str:
    seconds, rest = divmod(nanos, 1_000_000_000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction(rest)}"


def of_time(value: time) -> str:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return time_of_day(seconds * 1_000_000_000 + value.microsecond * 1000)


def interval(months: int, days: int, nanos: int) -> str:
    """`1 mons 2 days 3 hours 4 mins 5.000000000 secs`, without what is zero."""
    sign, left = ("-", -nanos) if nanos < 0 else ("", nanos)
    seconds, rest = divmod(left, 1_000_000_000)
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    parts = [f"{count} {unit}" for count, unit in [(months, "mons"), (days, "days")] if count]
    parts += [f"{sign}{count} {unit}" for count, unit in [(hours, "hours"), (minutes, "mins")] if count]
    if seconds or rest:
        parts.append(f"{sign}{seconds}.{rest:09} secs")
    return " ".join(parts) or "0 secs"


def duration(nanos: int) -> str:
    """ISO 8601, in seconds alone."""
    sign, left = ("-", -nanos) if nanos < 0 else ("", nanos)
    seconds, rest = divmod(left, 1_000_000_000)
    return f"{sign}PT{seconds}{f'.{rest:09}'.rstrip('0').rstrip('.')}S" if left else "P0D"


def decimal(value: Decimal) -> str:
    return format(value, "f")


def of_json(value):
    """What `load_json` loaded."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case list():
            return [of_json(item) for item in value]
        case Pairs():
            return [[key, of_json(item)] for key, item in value.pairs]
    raise TypeError(f"{value!r}")


class Pairs:
    """An object, in order, with every key that it has."""

    def __init__(self, pairs):
        self.pairs = pairs


def load_json(text: str):
    """JSON with numbers as the text that they are."""
    return json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=Pairs)


UNITS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1}


def word(kind: pa.DataType) -> str:
    """An Arrow type in the words of SQL."""
    types = pa.types
    if types.is_null(kind):
        return "null"
    if types.is_boolean(kind):
        return "boolean"
    for name, bits in [("tinyint", 8), ("smallint", 16), ("int", 32), ("bigint", 64)]:
        if types.is_integer(kind) and kind.bit_width == bits:
            return name if types.is_signed_integer(kind) else f"{name} unsigned"
    if types.is_float32(kind):
        return "real"
    if types.is_float64(kind):
        return "double"
    if types.is_decimal(kind):
        return f"decimal({kind.precision}, {kind.scale})"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return "bytea"
    if types.is_date(kind):
        return "date"
    if types.is_timestamp(kind):
        return "timestamp" if kind.tz is None else "timestamp with time zone"
    if types.is_time(kind):
        return "time"
    if types.is_interval(kind):
        return "interval"
    if types.is_duration(kind):
        return "duration"
    if types.is_map(kind):
        return "map"
    if types.is_struct(kind):
        return "struct"
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return f"list of {word(kind.value_type)}"
    if types.is_dictionary(kind):
        return word(kind.value_type)
    raise TypeError(f"{kind}")


def cells(array: pa.Array) -> list:
    """A column's values."""
    kind, types = array.type, pa.types
    if types.is_dictionary(kind):
        return cells(array.dictionary_decode())
    if types.is_map(kind):
        keys, items = cells(array.keys), cells(array.items)
        return spans(array, lambda start, end: [[key, item] for key, item in zip(keys[start:end], items[start:end])])
    if types.is_list(kind) or types.is_large_list(kind):
        values = cells(array.values)
        return spans(array, lambda start, end: values[start:end])
    if types.is_struct(kind):
        names = [field.name for field in kind]
        fields = [cells(field) for field in array.flatten()]
        rows = zip(*fields) if fields else [()] * len(array)
        return [None if null else [[n, v] for n, v in zip(names, row)] for null, row in zip(nulls(array), rows)]
    return [None if value is None else leaf(value, kind) for value in plain(array)]


def nulls(array: pa.Array) -> list:
    return array.is_null().to_pylist()


def spans(array: pa.Array, value) -> list:
    """The values of a list or map: what lies between its offsets in its items."""
    offsets = array.offsets.to_pylist()
    return [None if null else value(a, b) for null, a, b in zip(nulls(array), offsets, offsets[1:])]


def plain(array: pa.Array) -> list:
    """Python's values, with times as numbers: Python's own have no nanoseconds."""
    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_time64(kind):
        return array.view(pa.int64()).to_pylist()
    if pa.types.is_time32(kind):
        return array.view(pa.int32()).to_pylist()
    return array.to_pylist()


def leaf(value, kind: pa.DataType) -> str:
    types = pa.types
    if types.is_boolean(kind):
        return "true" if value else "false"
    if types.is_float64(kind):
        return double(value)
    if types.is_float32(kind):
        return real(value)
    if types.is_decimal(kind):
        return decimal(value)
    if isinstance(value, bytes):
        return value.hex()
    if types.is_timestamp(kind):
        return moment(value * UNITS[kind.unit], kind.tz)
    if types.is_time(kind):
        return time_of_day(value * UNITS[kind.unit])
    if types.is_duration(kind):
        return duration(value * UNITS[kind.unit])
    if types.is_interval(kind):
        return interval(value.months, value.days, value.nanoseconds)
    if types.is_date(kind):
        return value.isoformat()
    return str(value)


def of_table(name: str, schema: pa.Schema, batches: list) -> dict:
    """An Arrow result as an answer."""
    rows = []
    for batch in batches:
        columns = [cells(column) for column in batch.columns]
        rows.extend(list(row) for row in zip(*columns))
    return {"name": name, "columns": [[field.name, word(field.type)] for field in schema], "rows": rows}
