"""deltalake's own engine: `QueryBuilder`, a DataFusion inside of the package. Also what only the log can tell."""

import json

import pyarrow
import pyarrow.parquet
from deltalake import DeltaTable, QueryBuilder

from .in_sql import SqlReader, name, text


class DeltaLake(SqlReader):
    """A query over the three tables."""

    def source(self, table):
        return table

    def ask(self, query):
        return [tuple(row.values()) for row in self.arrow(query).to_pylist()]

    def arrow(self, query):
        builder = QueryBuilder()
        for table in ("logs", "spans", "metrics"):
            builder.register(table, DeltaTable(self.path(table)))
        return pyarrow.table(builder.execute(query).read_all())

    def count(self, table):
        return [[DeltaTable(self.path(table)).count()]]

    def columns(self, table):
        return [[field.name] for field in DeltaTable(self.path(table)).schema().fields]

    def rows(self, table):
        return [[row] for row in self.arrow(f"SELECT * FROM {table}").to_pylist()]

    def protocol(self, table):
        """The reader and writer versions, and the features that a later protocol would name."""
        protocol = DeltaTable(self.path(table)).protocol()
        features = [*(protocol.reader_features or []), *(protocol.writer_features or [])]
        return [[protocol.min_reader_version, protocol.min_writer_version, features]]

    def comments(self, table):
        """The path of each column and each field of a struct, and its comment."""
        return list(commented(json.loads(DeltaTable(self.path(table)).schema().to_json()), []))

    def partitions(self, table):
        """The partition columns."""
        return [[column] for column in DeltaTable(self.path(table)).metadata().partition_columns]

    def version(self, table):
        """The version of the latest snapshot."""
        return [[DeltaTable(self.path(table)).version()]]

    def files(self, table):
        """The live files, and which of the columns each one has."""
        live = DeltaTable(self.path(table)).file_uris()
        return [[file, pyarrow.parquet.read_schema(file).names] for file in live]

    def at(self, attributes, key):
        return f"{attributes}[{text(key)}]"

    def literal(self, column, value):
        kinds = {"time": "TIMESTAMP ", "date": "DATE "}
        return kinds.get(column, "") + (text(value) if isinstance(value, str) else repr(value))

    def exact_long(self, value):
        number = f"try_cast({value} AS BIGINT)"
        return f"CASE WHEN cast({number} AS VARCHAR) = {value} THEN {number} END"

    def unnested(self, table, column):
        return f"SELECT unnest({name(column)}) AS e FROM {self.source(table)}"

    def field(self, element, field):
        return f"{element}[{text(field)}]"

    def length(self, column):
        return f"cardinality({column})"


def commented(schema, path):
    """Walks a Delta schema's structs, also those inside of lists."""
    if schema["type"] == "array":
        schema = schema["elementType"]
        if isinstance(schema, dict):
            yield from commented(schema, path)
    elif schema["type"] == "struct":
        for field in schema["fields"]:
            inner = [*path, field["name"]]
            yield [".".join(inner), field["metadata"].get("comment")]
            if isinstance(field["type"], dict):
                yield from commented(field["type"], inner)
