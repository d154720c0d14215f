"""Answers as JSON that compares: the rules by which telestrata's own JSON is written (src/output/json.rs)."""

import datetime
import math

import numpy
import pandas

UTC = datetime.timezone.utc


def is_map(name):
    """Whether a column or field is a map, by its name in the data contract."""
    return name is not None and (name.endswith("attributes") or name == "metric_metadata")


def plain(value, name=None):
    """A value without any library's types. `name` is the column's or field's, where there is one."""
    if value is None or value is pandas.NA or value is pandas.NaT:
        return None
    if is_map(name):
        # A map comes as a dict, as a list of pairs, or as an array of them.
        pairs = value.items() if isinstance(value, dict) else value
        entries = [(plain(key), plain(text)) for key, text in pairs]
        keys = [key for key, _ in entries]
        if len(set(keys)) != len(keys):
            raise ValueError(f"a map has a key twice: {keys}")
        return dict(sorted(entries))
    if isinstance(value, numpy.generic):
        value = value.item()
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else ("NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity")
    if isinstance(value, datetime.datetime):
        return instant(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: plain(inner, key) for key, inner in value.items()}
    if isinstance(value, list | tuple | numpy.ndarray):
        return [plain(inner) for inner in value]
    raise TypeError(f"no plain form of {type(value)}: {value!r}")


def instant(value):
    """An instant in UTC. A time without a zone could be any: it is refused, not guessed."""
    if value.tzinfo is None:
        raise ValueError(f"a time without a zone: {value}")
    value = value.astimezone(UTC)
    digits = "" if value.microsecond == 0 else f".{value.microsecond:06}"
    if digits.endswith("000"):
        digits = digits[:-3]
    return f"{value:%Y-%m-%dT%H:%M:%S}{digits}Z"
