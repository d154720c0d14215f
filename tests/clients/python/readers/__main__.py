"""Answers questions, one a line, with one reader: see the package's head."""

import importlib
import json
import sys

from .plain import plain

# The module is loaded by name: one reader's failing import must not take the others with it.
READERS = {
    "polars": ("in_polars", "Polars"),
    "deltalake": ("in_deltalake", "DeltaLake"),
    "pandas-deltalake": ("in_pandas", "PandasOverDeltaLake"),
    "pandas-pyarrow": ("in_pandas", "PandasOverArrow"),
    "pyarrow": ("in_arrow", "Arrow"),
    "duckdb": ("in_duckdb", "DuckDb"),
    "clickhouse": ("in_clickhouse", "ClickHouse"),
}


def answer(reader, ask):
    """The plain rows of one question."""
    question, *arguments = ask
    return [[plain(value) for value in row] for row in getattr(reader, question)(*arguments)]


def main():
    """One reader, until standard input ends."""
    module, kind = READERS[sys.argv[1]]
    make = getattr(importlib.import_module(f".{module}", __package__), kind)
    readers = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            lake = request["lake"]
            if lake not in readers:
                readers[lake] = make(lake)
            reply = {"answer": answer(readers[lake], request["ask"])}
        except Exception as error:  # noqa: BLE001: whatever a reader throws is its answer
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


main()
