"""ClickHouse inside of Python (`chdb`), with its table function `deltaLakeLocal`."""

import os

from chdb.session import Session

from .in_sql import SqlReader, name, text


class ClickHouse(SqlReader):
    """`deltaLakeLocal`. Answers come as Arrow tables: there a time has its zone."""

    def __init__(self, lake):
        super().__init__(lake)
        # A table outside of the current folder is PATH_ACCESS_DENIED.
        os.chdir(lake)
        self.session = Session()

    def source(self, table):
        return f"deltaLakeLocal({text(self.path(table))})"

    def arrow(self, query):
        return self.session.query(query, "ArrowTable")

    def ask(self, query):
        return [tuple(row.values()) for row in self.arrow(query).to_pylist()]

    def columns(self, table):
        return [row[:1] for row in self.ask(f"DESCRIBE {self.source(table)}")]

    def rows(self, table):
        return [[row] for row in self.arrow(f"SELECT * FROM {self.source(table)}").to_pylist()]

    def at(self, attributes, key):
        # Without the condition an absent key would be an empty text.
        return f"if(mapContains({attributes}, {text(key)}), {attributes}[{text(key)}], NULL)"

    def literal(self, column, value):
        if column == "time":
            return f"toDateTime64({text(value.rstrip('Z').replace('T', ' '))}, 6, 'UTC')"
        if column == "date":
            return f"toDate32({text(value)})"
        return text(value) if isinstance(value, str) else repr(value)

    def exact_long(self, value):
        number = f"toInt64OrNull({value})"
        return f"if(toString({number}) = {value}, {number}, NULL)"

    def unnested(self, table, column):
        return f"SELECT arrayJoin({name(column)}) AS e FROM {self.source(table)}"

    def field(self, element, field):
        return f"tupleElement({element}, {text(field)})"

    def length(self, column):
        return f"length({column})"
