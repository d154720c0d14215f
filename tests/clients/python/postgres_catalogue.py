"""What clients of Python learn of telestrata's tables: `python postgres_catalogue.py WHAT HOST:PORT`. Says `passed` at its end."""

import sys


def reflection(address):
    import sqlalchemy as sa

    engine = sa.create_engine(f"postgresql+psycopg://ann@{address}/telestrata")
    about = sa.inspect(engine)
    assert engine.dialect.default_schema_name == "public"
    assert {"public", "system", "information_schema"} <= set(about.get_schema_names())
    assert set(about.get_table_names()) == {"logs", "spans", "metrics"}, about.get_table_names()
    assert {"errors", "span_logs", "traces"} <= set(about.get_view_names())
    assert about.has_table("logs") and about.has_table("errors") and not about.has_table("nothing")
    columns = {column["name"]: column for column in about.get_columns("logs")}
    assert isinstance(columns["time"]["type"], sa.TIMESTAMP) and columns["time"]["type"].timezone
    assert isinstance(columns["attributes"]["type"], sa.JSON), columns["attributes"]
    assert isinstance(columns["severity_number"]["type"], sa.INTEGER)
    assert isinstance(columns["body"]["type"], sa.TEXT)
    assert columns["time"]["comment"], columns["time"]
    assert about.get_table_comment("logs") == {"text": "One row a log record."}
    assert about.get_pk_constraint("logs")["constrained_columns"] == []
    assert about.get_foreign_keys("logs") == about.get_indexes("logs") == about.get_unique_constraints("logs") == []
    assert about.get_check_constraints("logs") == about.get_enums() == about.get_sequence_names() == []
    assert "error_occurrences" in about.get_view_definition("errors")
    assert "size_bytes" in {column["name"] for column in about.get_columns("files", schema="system")}
    tables = sa.MetaData()
    logs = sa.Table("logs", tables, autoload_with=engine)
    errors = sa.Table("errors", tables, autoload_with=engine)
    with engine.connect() as connection:
        asked = sa.select(logs.c.body, logs.c.attributes).where(logs.c.body == "log 3")
        assert connection.execute(asked).all() == [("log 3", {"number": "3"})]
        assert connection.execute(sa.select(sa.func.count()).select_from(errors)).scalar() == 0
    everything = sa.MetaData()
    everything.reflect(bind=engine, views=True)
    assert {"logs", "errors"} <= set(everything.tables)


def duckdb_tables(address):
    import pathlib

    import duckdb
    import duckdb_extension_postgres_scanner as package

    (extension,) = pathlib.Path(package.__file__).parent.glob("extensions/v*/postgres_scanner.duckdb_extension")
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{extension}'")
    host, port = address.rsplit(":", 1)
    connection.execute(f"ATTACH 'host={host} port={port} user=ann dbname=telestrata' AS t (TYPE postgres, READ_ONLY)")
    tables = connection.execute("SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 't'").fetchall()
    views = connection.execute("SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = 't'").fetchall()
    assert {("public", "logs"), ("public", "errors"), ("system", "files")} <= set(tables + views), (tables, views)
    columns = {row[0]: row[1] for row in connection.execute("DESCRIBE t.public.logs").fetchall()}
    assert columns["time"] == "TIMESTAMP WITH TIME ZONE" and columns["severity_number"] == "INTEGER", columns
    row = connection.execute("SELECT body, severity_number FROM t.public.logs WHERE body = 'log 3'").fetchone()
    assert row == ("log 3", 9), row


WHAT = {"reflection": reflection, "duckdb": duckdb_tables}
WHAT[sys.argv[1]](sys.argv[2])
print("passed")
