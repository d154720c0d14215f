"""HTTP: `python -m doors http URL FORMAT`, where the format is arrow, parquet, json, ndjson or csv.

JSON and CSV do not say types, so their answers have none.
"""

import csv
import io
import json

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import requests

from . import neutral

ACCEPT = {
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
}


def ask(url, queries, form):
    session = requests.Session()
    session.trust_env = False
    session.headers["accept"] = ACCEPT[form]
    for query in queries:
        body = {"query": query["sql"], "params": query["params"]}
        response = session.post(f"{url}/v1/sql", json=body)
        if response.status_code != 200:
            yield {"name": query["name"], "error": response.json()}
        else:
            yield READ[form](query, response.content)


def arrow(query, body):
    with pyarrow.ipc.open_stream(body) as stream:
        return neutral.of_table(query["name"], stream.schema, list(stream))


def parquet(query, body):
    table = pyarrow.parquet.read_table(io.BytesIO(body))
    return neutral.of_table(query["name"], table.schema, table.to_batches())


def objects(name, rows):
    columns = [[key, None] for key, _ in rows[0].pairs] if rows else None
    return {"name": name, "columns": columns, "rows": [[neutral.of_json(cell) for _, cell in row.pairs] for row in rows]}


def array(query, body):
    return objects(query["name"], neutral.load_json(body.decode()))


def lines(query, body):
    return objects(query["name"], [neutral.load_json(line) for line in body.decode().split("\n")[:-1]])


def table(query, body):
    csv.field_size_limit(1 << 30)
    head, *rows = csv.reader(io.StringIO(body.decode(), newline=""))
    cells = [[nested(cell, kind) for cell, kind in zip(row, query["types"])] for row in rows]
    return {"name": query["name"], "columns": [[column, None] for column in head], "rows": cells}


def nested(cell, kind):
    if cell and (kind in ("map", "struct") or kind.startswith("list ")):
        return neutral.of_json(neutral.load_json(cell))
    return cell


READ = {"arrow": arrow, "parquet": parquet, "json": array, "ndjson": lines, "csv": table}
