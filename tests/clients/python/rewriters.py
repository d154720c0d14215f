"""Another engine that rewrites a table: OPTIMIZE and DELETE of `deltalake`.

    rewriters.py TABLE                  again and again, until standard input ends; prints what it did
    rewriters.py TABLE stale OPERATION  opens the table, says so, waits for a line, and then rewrites what it opened

A commit that another's overtook is refused by `deltalake`, which is counted and no failure.
"""

import json
import os
import sys
import threading
from collections import Counter

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

DOOMED = "body = 'doomed'"

# What `deltalake` says of a commit that came second.
REFUSED = ("concurrent", "conflict", "metadata changed")


def opened(table):
    """The table's newest version, on a disk or on an S3 that the environment names."""
    options = {"conditional_put": "etag", "allow_http": "true"} if table.startswith("s3://") else {}
    return DeltaTable(table, storage_options=options)


def rewrite(table, operation):
    """One operation; its metrics."""
    if operation == "optimize":
        return table.optimize.compact()
    if operation == "delete":
        return table.delete(DOOMED)
    raise ValueError(operation)


def again_and_again(path):
    """Rewrites until nobody listens any more; the last delete sees everything."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    counts = Counter()
    while True:
        last = ended.is_set()
        for operation in ("delete", "optimize"):
            try:
                metrics = rewrite(opened(path), operation)
                files = metrics.get("numFilesRemoved", metrics.get("num_removed_files", 0))
                counts[operation if files else f"{operation} of nothing"] += 1
            except (CommitFailedError, DeltaError) as error:
                if not any(word in str(error).lower() for word in REFUSED):
                    raise
                counts[f"{operation} refused"] += 1
        if last:
            break
    print(json.dumps(counts), flush=True)


def stale(path, operation):
    """Rewrites what the table was when the line before was printed."""
    table = opened(path)
    print("opened", flush=True)
    sys.stdin.readline()
    try:
        rewrite(table, operation)
        print("done", flush=True)
    except (CommitFailedError, DeltaError) as error:
        print(f"refused: {error}".splitlines()[0], flush=True)


def main():
    """As the head says."""
    os.environ.setdefault("AWS_ALLOW_HTTP", "true")
    if sys.argv[2:3] == ["stale"]:
        stale(sys.argv[1], sys.argv[3])
    else:
        again_and_again(sys.argv[1])


main()
