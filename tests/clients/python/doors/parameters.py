"""Parameters as `{"type", "value"}` in the values that clients take."""

from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa

ARROW = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "int": pa.int32(),
    "smallint": pa.int16(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "bytea": pa.binary(),
}


def python_value(parameter):
    kind, value = parameter["type"], parameter["value"]
    if value is None:
        return None
    if kind.endswith("[]"):
        return [python_value({"type": kind[:-2], "value": item}) for item in value]
    match kind:
        case "timestamp":
            return datetime.fromisoformat(value)
        case "date":
            return date.fromisoformat(value)
        case "bytea":
            return bytes.fromhex(value)
        case "decimal":
            return Decimal(value)
    return value


def arrow_type(kind):
    return pa.list_(arrow_type(kind[:-2])) if kind.endswith("[]") else ARROW[kind]


def arrow_value(parameter):
    """An array of the one value."""
    return pa.array([python_value(parameter)], type=arrow_type(parameter["type"]))
