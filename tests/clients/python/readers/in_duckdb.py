"""DuckDB, with its `delta` extension from PyPI."""

import pathlib

import duckdb
import duckdb_extension_delta

from .in_sql import SqlReader, name, text


def connect():
    """A connection with `delta_scan`. From PyPI the extension comes unsigned and is loaded by its path."""
    folder = pathlib.Path(duckdb_extension_delta.__file__).parent
    extension = folder / "extensions" / f"v{duckdb.__version__}" / "delta.duckdb_extension"
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD {text(str(extension))}")
    return connection


class DuckDb(SqlReader):
    """`delta_scan`."""

    def __init__(self, lake):
        super().__init__(lake)
        self.connection = connect()

    def source(self, table):
        return f"delta_scan({text(self.path(table))})"

    def ask(self, query):
        return self.connection.execute(query).fetchall()

    def columns(self, table):
        return [row[:1] for row in self.ask(f"DESCRIBE SELECT * FROM {self.source(table)}")]

    def rows(self, table):
        result = self.connection.execute(f"SELECT * FROM {self.source(table)}")
        names = [column[0] for column in result.description]
        return [[dict(zip(names, row, strict=True))] for row in result.fetchall()]

    def at(self, attributes, key):
        return f"{attributes}[{text(key)}]"

    def literal(self, column, value):
        kinds = {"time": "TIMESTAMPTZ ", "date": "DATE "}
        return kinds.get(column, "") + (text(value) if isinstance(value, str) else repr(value))

    def exact_long(self, value):
        number = f"try_cast({value} AS BIGINT)"
        return f"CASE WHEN {number}::VARCHAR = {value} THEN {number} END"

    def unnested(self, table, column):
        return f"SELECT unnest({name(column)}) AS e FROM {self.source(table)}"

    def field(self, element, field):
        return f"{element}.{name(field)}"

    def length(self, column):
        return f"len({column})"
