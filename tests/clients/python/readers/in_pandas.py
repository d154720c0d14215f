"""pandas, loaded by `deltalake` or from a PyArrow dataset. The types stay Arrow's (`pandas.ArrowDtype`).

Without that, pandas makes doubles of integers beside NULLs, and what is above 2^53 loses its last digits.
"""

from abc import abstractmethod

import pandas
from deltalake import DeltaTable

from .in_arrow import CANONICAL, condition
from .questions import Reader


def count_by(values):
    """Each value of a series, and how often it is there."""
    counts = values.value_counts(dropna=False)
    return list(zip(counts.index, counts.tolist(), strict=True))


def lookup(maps, key):
    """The value of a key, NULL where the key is absent. A map is a list of pairs here."""
    return maps.map(lambda pairs: dict(pairs).get(key), na_action="ignore").astype("string[pyarrow]")


class Pandas(Reader):
    """The questions; how a frame is loaded is up to the two below."""

    @abstractmethod
    def load(self, table, columns=None, filter=None):
        """A frame of some columns and rows."""

    def columns(self, table):
        return [[column] for column in self.load(table).columns]

    def rows(self, table):
        return [[row] for row in self.load(table).to_dict("records")]

    def count(self, table):
        return [[len(self.load(table, ["time"]))]]

    def total(self, table, column):
        return [[self.load(table, [column])[column].sum()]]

    def bounds(self, table, column):
        values = self.load(table, [column])[column]
        return [[values.min(), values.max()]]

    def where(self, table, column, comparison, value=None):
        return [[len(self.load(table, ["time"], condition(column, comparison, value)))]]

    def groups(self, table, column):
        return count_by(self.load(table, [column])[column])

    def lookup(self, table, attributes, key):
        return count_by(lookup(self.load(table, [attributes])[attributes], key))

    def recipe(self, table, column, kind, sources):
        frame = self.load(table, [column, *{attributes for attributes, _ in sources}])
        values = lookup(frame[sources[0][0]], sources[0][1])
        for attributes, key in sources[1:]:
            values = values.fillna(lookup(frame[attributes], key))
        if kind == "long":
            values = values.where(values.str.fullmatch(CANONICAL)).astype("int64[pyarrow]")
        return count_by(frame[column].fillna(values))

    def lengths(self, table, column):
        return count_by(self.load(table, [column])[column].list.len())

    def elements(self, table, column, field=None):
        elements = self.load(table, [column])[column].list.flatten()
        return count_by(elements.struct.field(field) if field else elements)

    def element_lookup(self, table, column, attributes, key):
        elements = self.load(table, [column])[column].list.flatten()
        return count_by(lookup(elements.struct.field(attributes), key))


class PandasOverDeltaLake(Pandas):
    """`DeltaTable.to_pandas`."""

    def load(self, table, columns=None, filter=None):
        return DeltaTable(self.path(table)).to_pandas(
            columns=columns, filters=filter, types_mapper=pandas.ArrowDtype
        )


class PandasOverArrow(Pandas):
    """A PyArrow dataset's table, then pandas."""

    def load(self, table, columns=None, filter=None):
        dataset = DeltaTable(self.path(table)).to_pyarrow_dataset()
        return dataset.to_table(columns=columns, filter=filter).to_pandas(types_mapper=pandas.ArrowDtype)
