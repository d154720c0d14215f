"""`python -m doors DOOR ADDRESS [OPTION...]`: JSON queries on standard input, JSON answers on standard output.

A query is `{"name", "sql", "params": [{"type", "value"}, ...], "types": [type, ...]}`, the last for those whose answers do
not say types; an answer is `{"name", "columns": [[name, type], ...],
"rows": [[cell, ...], ...]}` or `{"name", "error": {...}}`. What a cell is stands in `neutral.py`.
"""

import importlib
import json
import sys

DOORS = ["http", "postgres", "flight", "cli"]


def main() -> None:
    door, address, *options = sys.argv[1:]
    ask = importlib.import_module(f"doors.over_{DOORS[DOORS.index(door)]}").ask
    queries = json.load(sys.stdin)
    json.dump(list(ask(address, queries, *options)), sys.stdout)


main()
