"""Arrow Flight SQL: `python -m doors flight URI`, by ADBC's driver into PyArrow."""

import re

import adbc_driver_flightsql.dbapi
import pyarrow as pa

from . import neutral
from .parameters import arrow_value


def ask(uri, queries):
    with adbc_driver_flightsql.dbapi.connect(uri, autocommit=True) as connection:
        for query in queries:
            with connection.cursor() as cursor:
                try:
                    yield answer(cursor, query)
                except adbc_driver_flightsql.dbapi.Error as error:
                    yield {"name": query["name"], "error": {"message": str(error), "status": error.status_code.name}}
                # What a stream that has begun meets, as PyArrow says it: `... (InvalidArgument; DoGet: ...)`.
                except (pa.ArrowException, OSError) as error:
                    code = re.search(r"\((\w+); ", str(error))
                    status = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", code[1]).upper() if code else None
                    yield {"name": query["name"], "error": {"message": str(error), "status": status}}


def answer(cursor, query):
    if query["params"]:
        arrays = [arrow_value(parameter) for parameter in query["params"]]
        names = [str(number + 1) for number in range(len(arrays))]
        cursor.execute(query["sql"], pa.RecordBatch.from_arrays(arrays, names=names))
    else:
        cursor.execute(query["sql"])
    reader = cursor.fetch_record_batch()
    return neutral.of_table(query["name"], reader.schema, list(reader))
