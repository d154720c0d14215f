"""What a reader can be asked. Every answer is a list of rows, in no order; every row is a list of values.

Readers are expected to do the work with their own expressions, so that their pruning, their NULL rules and their
nested types are what is tested, and not Python's.
"""

from abc import ABC, abstractmethod


class Reader(ABC):
    """One reader on one lake. Each question opens the table anew, so that it sees the latest snapshot."""

    def __init__(self, lake):
        self.lake = lake

    def path(self, table):
        """Where a table is."""
        return f"{self.lake}/{table}"

    @abstractmethod
    def columns(self, table):
        """The names of the columns, one a row, in the table's order."""

    @abstractmethod
    def rows(self, table):
        """Every row with every column, as the reader hands it to Python: one dict a row, alone in its list."""

    @abstractmethod
    def count(self, table):
        """How many rows, in the way that is cheapest for the reader."""

    @abstractmethod
    def total(self, table, column):
        """The sum of a column."""

    @abstractmethod
    def bounds(self, table, column):
        """The least and the greatest value of a column."""

    @abstractmethod
    def where(self, table, column, comparison, value):
        """How many rows compare so: `=`, `<`, `>=`, or `null` without a value. Times and dates are ISO 8601 text."""

    @abstractmethod
    def groups(self, table, column):
        """Each value of a column, and how many rows have it."""

    @abstractmethod
    def lookup(self, table, attributes, key):
        """Each value of a key of a map, NULL where the key is absent, and how many rows have it."""

    @abstractmethod
    def recipe(self, table, column, kind, sources):
        """Like `groups`, of a promoted column that older files lack: the column, else the first [map, key] present.

        `kind` is `text` or `long`; of a long, only canonical decimals count.
        """

    @abstractmethod
    def lengths(self, table, column):
        """Each length of a list, and how many rows have it."""

    @abstractmethod
    def elements(self, table, column, field=None):
        """Each value in the lists of a column, of a field where the elements are structs, and how often it is there."""

    @abstractmethod
    def element_lookup(self, table, column, attributes, key):
        """Each value of a key of a map inside of the structs of a list, NULL where absent, and how often it is there."""
