"""Counts the rows of a Delta table with several readers: `python versions.py TABLE [VERSION]`, TABLE a folder or an
s3:// URL that is reached with the environment. Prints a JSON object, reader to count, or to its error.
"""

import json
import os
import sys

import polars
from deltalake import DeltaTable

from readers.in_duckdb import connect

TABLE = sys.argv[1]
VERSION = int(sys.argv[2]) if len(sys.argv) > 2 else None
STORAGE = {"aws_allow_http": "true", "aws_endpoint_url": os.environ.get("AWS_ENDPOINT_URL", "")}
OPTIONS = STORAGE if TABLE.startswith("s3://") else None


def in_deltalake():
    return DeltaTable(TABLE, version=VERSION, storage_options=OPTIONS).count()


def in_polars():
    return polars.scan_delta(TABLE, version=VERSION, storage_options=OPTIONS).select(polars.len()).collect().item()


def in_duckdb():
    at = "" if VERSION is None else f", version => {VERSION}"
    return connect().execute(f"SELECT count(*) FROM delta_scan('{TABLE}'{at})").fetchone()[0]


def answer(ask):
    try:
        return ask()
    except Exception as error:  # noqa: BLE001: whatever a reader raises is its answer
        return str(error)


asked = {"deltalake": in_deltalake, "polars": in_polars}
if OPTIONS is None:
    asked["duckdb"] = in_duckdb
print(json.dumps({name: answer(ask) for name, ask in asked.items()}))
