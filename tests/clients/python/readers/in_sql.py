"""Readers that speak SQL: the questions are the same, the dialects are theirs."""

from abc import abstractmethod

from .questions import Reader


def name(identifier):
    """A quoted identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def text(value):
    """A quoted text."""
    return "'" + value.replace("'", "''") + "'"


class SqlReader(Reader):
    """What a dialect adds: where a table is, how a query is asked, literals, map lookups, unnesting."""

    @abstractmethod
    def source(self, table):
        """The table, as it stands after FROM."""

    @abstractmethod
    def ask(self, query):
        """A query's rows, as a list of tuples."""

    @abstractmethod
    def at(self, attributes, key):
        """An expression: the value of a key of a map, NULL where the key is absent."""

    @abstractmethod
    def literal(self, column, value):
        """A value to compare a column with."""

    @abstractmethod
    def exact_long(self, value):
        """An expression: a text as a long, NULL where it is not canonical decimal."""

    @abstractmethod
    def unnested(self, table, column):
        """A query with one row `e` for each element of a list."""

    @abstractmethod
    def field(self, element, field):
        """An expression: a field of a struct."""

    @abstractmethod
    def length(self, column):
        """An expression: the length of a list."""

    def counted(self, expression, source):
        """Each value of an expression, and how many rows have it."""
        return self.ask(f"SELECT {expression} AS v, count(*) AS n FROM {source} GROUP BY {expression}")

    def count(self, table):
        return self.ask(f"SELECT count(*) FROM {self.source(table)}")

    def total(self, table, column):
        return self.ask(f"SELECT sum({name(column)}) FROM {self.source(table)}")

    def bounds(self, table, column):
        return self.ask(f"SELECT min({name(column)}), max({name(column)}) FROM {self.source(table)}")

    def where(self, table, column, comparison, value=None):
        condition = "IS NULL" if comparison == "null" else f"{comparison} {self.literal(column, value)}"
        return self.ask(f"SELECT count(*) FROM {self.source(table)} WHERE {name(column)} {condition}")

    def groups(self, table, column):
        return self.counted(name(column), self.source(table))

    def lookup(self, table, attributes, key):
        return self.counted(self.at(name(attributes), key), self.source(table))

    def recipe(self, table, column, kind, sources):
        value = ", ".join(self.at(name(attributes), key) for attributes, key in sources)
        value = f"coalesce({value})" if len(sources) > 1 else value
        value = self.exact_long(value) if kind == "long" else value
        return self.counted(f"coalesce({name(column)}, {value})", self.source(table))

    def lengths(self, table, column):
        return self.counted(self.length(name(column)), self.source(table))

    def elements(self, table, column, field=None):
        value = self.field("e", field) if field else "e"
        return self.counted(value, f"({self.unnested(table, column)}) AS u")

    def element_lookup(self, table, column, attributes, key):
        value = self.at(self.field("e", attributes), key)
        return self.counted(value, f"({self.unnested(table, column)}) AS u")
