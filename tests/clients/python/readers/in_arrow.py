"""PyArrow's dataset, over the file list of `deltalake`."""

import datetime

import pyarrow
import pyarrow.compute as pc
from deltalake import DeltaTable

from .questions import Reader

CANONICAL = r"^(0|-?[1-9][0-9]*)$"


def count_by(values):
    """Each value of an array, and how often it is there."""
    table = pyarrow.table({"v": values}).group_by("v").aggregate([([], "count_all")])
    return [(row["v"], row["count_all"]) for row in table.to_pylist()]


def condition(column, comparison, value=None):
    """An expression that a dataset's scan can push down."""
    if column == "time" and value:
        value = pyarrow.scalar(datetime.datetime.fromisoformat(value), pyarrow.timestamp("us", "UTC"))
    elif column == "date":
        value = datetime.date.fromisoformat(value)
    field = pc.field(column)
    return {
        "=": lambda: field == value,
        "<": lambda: field < value,
        ">=": lambda: field >= value,
        "null": lambda: field.is_null(),
    }[comparison]()


def lookup(maps, key):
    """The value of a key, NULL where the key is absent."""
    return pc.map_lookup(maps, pyarrow.scalar(key), "first")


def exact_long(values):
    """Texts as longs, NULL where they are not canonical decimal."""
    canonical = pc.match_substring_regex(values, CANONICAL)
    return pc.cast(pc.if_else(canonical, values, None), pyarrow.int64())


class Arrow(Reader):
    """`to_pyarrow_dataset`."""

    def dataset(self, table):
        return DeltaTable(self.path(table)).to_pyarrow_dataset()

    def column(self, table, column):
        return self.dataset(table).to_table(columns=[column])[column]

    def columns(self, table):
        return [[column] for column in self.dataset(table).schema.names]

    def rows(self, table):
        return [[row] for row in self.dataset(table).to_table().to_pylist()]

    def count(self, table):
        return [[self.dataset(table).count_rows()]]

    def total(self, table, column):
        return [[pc.sum(self.column(table, column)).as_py()]]

    def bounds(self, table, column):
        bounds = pc.min_max(self.column(table, column)).as_py()
        return [[bounds["min"], bounds["max"]]]

    def where(self, table, column, comparison, value=None):
        return [[self.dataset(table).count_rows(filter=condition(column, comparison, value))]]

    def groups(self, table, column):
        return count_by(self.column(table, column))

    def lookup(self, table, attributes, key):
        return count_by(lookup(self.column(table, attributes), key))

    def recipe(self, table, column, kind, sources):
        rows = self.dataset(table).to_table(columns=[column, *{attributes for attributes, _ in sources}])
        values = pc.coalesce(*[lookup(rows[attributes], key) for attributes, key in sources])
        values = exact_long(values) if kind == "long" else values
        return count_by(pc.coalesce(rows[column], values))

    def lengths(self, table, column):
        return count_by(pc.list_value_length(self.column(table, column)))

    def elements(self, table, column, field=None):
        elements = pc.list_flatten(self.column(table, column))
        return count_by(pc.struct_field(elements, field) if field else elements)

    def element_lookup(self, table, column, attributes, key):
        elements = pc.list_flatten(self.column(table, column))
        return count_by(lookup(pc.struct_field(elements, attributes), key))
