"""Polars: `scan_delta`, lazily, so that its filters and projections reach the files."""

import datetime

import polars
from polars import col

from .questions import Reader


def count_by(frame, value):
    """Each value of an expression, and how many rows have it."""
    return frame.select(value.alias("v")).group_by("v").agg(polars.len()).collect().rows()


class Polars(Reader):
    """`scan_delta`."""

    def scan(self, table):
        return polars.scan_delta(self.path(table))

    def columns(self, table):
        return [[column] for column in self.scan(table).collect_schema().names()]

    def rows(self, table):
        return [[row] for row in self.scan(table).collect().to_dicts()]

    def count(self, table):
        return self.scan(table).select(polars.len()).collect().rows()

    def total(self, table, column):
        return self.scan(table).select(col(column).sum()).collect().rows()

    def bounds(self, table, column):
        return self.scan(table).select(col(column).min().alias("low"), col(column).max().alias("high")).collect().rows()

    def where(self, table, column, comparison, value=None):
        if column == "time" and value:
            value = datetime.datetime.fromisoformat(value)
        elif column == "date":
            value = datetime.date.fromisoformat(value)
        condition = {
            "=": lambda: col(column) == value,
            "<": lambda: col(column) < value,
            ">=": lambda: col(column) >= value,
            "null": lambda: col(column).is_null(),
        }[comparison]
        return self.scan(table).filter(condition()).select(polars.len()).collect().rows()

    def groups(self, table, column):
        return count_by(self.scan(table), col(column))

    def lookup(self, table, attributes, key):
        return count_by(self.scan(table), col(attributes).map.get(key))

    def recipe(self, table, column, kind, sources):
        value = polars.coalesce(*[col(attributes).map.get(key) for attributes, key in sources])
        if kind == "long":
            number = value.cast(polars.Int64, strict=False)
            value = polars.when(number.cast(polars.String) == value).then(number)
        return count_by(self.scan(table), polars.coalesce(col(column), value))

    def lengths(self, table, column):
        return count_by(self.scan(table), col(column).list.len())

    def exploded(self, table, column):
        """One row for each element. `explode` makes a row of a list without elements too: those go."""
        lists = self.scan(table).select(col(column).alias("e")).filter(col("e").list.len() > 0)
        return lists.explode("e")

    def elements(self, table, column, field=None):
        return count_by(self.exploded(table, column), col("e").struct.field(field) if field else col("e"))

    def element_lookup(self, table, column, attributes, key):
        return count_by(self.exploded(table, column), col("e").struct.field(attributes).map.get(key))
