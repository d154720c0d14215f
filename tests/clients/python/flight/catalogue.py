"""What tools ask before they ask for rows."""

import pyarrow

from .commands import descriptor

XDBC_BIGINT = -5
COLUMNS = "SELECT table_catalog, table_schema, table_name, column_name FROM information_schema.columns ORDER BY 1, 2, 3, ordinal_position"


def rows(client, name, *fields):
    """The answer to a command, which has the schema that was told."""
    info = client.get_flight_info(descriptor(name, *fields))
    table = client.do_get(info.endpoints[0].ticket).read_all()
    assert table.schema.equals(info.schema, check_metadata=True), f"{name}\n{table.schema}\n{info.schema}"
    assert table.schema.equals(client.get_schema(descriptor(name, *fields)).schema, check_metadata=True)
    return table


def listed(connection, **filters):
    """The tables that ADBC lists, each with its schema, type and columns."""
    found = {}
    for catalog in connection.adbc_get_objects(**filters).read_all().to_pylist():
        for schema in catalog["catalog_db_schemas"] or []:
            for table in schema["db_schema_tables"] or []:
                columns = [column["column_name"] for column in table["table_columns"] or []]
                name = (catalog["catalog_name"], schema["db_schema_name"], table["table_name"])
                found[name] = (table["table_type"], columns)
    return found


def check_objects(doors):
    with doors.connect() as connection:
        found = listed(connection)
        kind, columns = found["telestrata", "public", "spans"]
        assert kind == "TABLE" and {"time", "service_name", "attributes", "events"} <= set(columns)
        assert found["telestrata", "public", "span_logs"][0] == "VIEW"
        assert found["telestrata", "system", "files"][0] == "SYSTEM TABLE"
        expected = {}
        for row in doors.ask_http(COLUMNS).to_pylist():
            expected.setdefault((row["table_catalog"], row["table_schema"], row["table_name"]), []).append(row["column_name"])
        # Which does not list itself.
        own = {name: columns for name, (_, columns) in found.items() if name[1] != "information_schema"}
        assert own == expected and ("telestrata", "information_schema", "columns") in found

        only = listed(connection, db_schema_filter="publ%", table_name_filter="s_ans", depth="all")
        assert set(only) == {("telestrata", "public", "spans")}
        views = listed(connection, table_types_filter=["VIEW"], depth="tables")
        assert ("telestrata", "public", "traces") in views and all(kind == "VIEW" for kind, _ in views.values())
        assert all(columns == [] for _, columns in views.values())
        assert listed(connection, catalog_filter="another") == {}
        schemas = connection.adbc_get_objects(depth="db_schemas").read_all().to_pylist()
        names = {schema["db_schema_name"] for catalog in schemas for schema in catalog["catalog_db_schemas"]}
        assert names == {"public", "system", "information_schema"}
        catalogs = connection.adbc_get_objects(depth="catalogs").read_all().column("catalog_name").to_pylist()
        assert catalogs == ["telestrata"]


def check_table_schemas_and_types(doors):
    with doors.connect() as connection:
        for name in ("spans", "logs", "metrics", "span_logs"):
            expected = doors.ask_http(f"SELECT * FROM {name} LIMIT 0").schema
            assert connection.adbc_get_table_schema(name).equals(expected, check_metadata=True), name
        assert connection.adbc_get_table_schema("files", db_schema_filter="system").names[0]
        assert connection.adbc_get_table_types() == ["SYSTEM TABLE", "TABLE", "VIEW"]


def check_info(doors):
    with doors.connect() as connection:
        info = connection.adbc_get_info()
        assert info["vendor_name"] == "telestrata"
        assert info["vendor_version"][0].isdigit() and info["vendor_arrow_version"][0].isdigit()
    all_infos = dict(zip(*rows(doors.raw(), "CommandGetSqlInfo").to_pydict().values(), strict=True))
    # Read only; no transactions; cancels; quotes with a double quote.
    assert (all_infos[3], all_infos[8], all_infos[9], all_infos[504]) == (True, 0, True, '"')
    assert "SELECT" in all_infos[508]
    one = rows(doors.raw(), "CommandGetSqlInfo", (1, b"\x03"))
    assert one.column("info_name").to_pylist() == [3]


def check_sql_that_the_info_promises(doors):
    """The features that SqlInfo says are there."""
    for sql in (
        "SELECT name AS n FROM spans s ORDER BY duration_nano + 1, kind",
        "SELECT name FROM spans GROUP BY name, kind",
        "SELECT 1 AS a WHERE 'a%b' LIKE 'a\\%b' ESCAPE '\\'",
        "SELECT name FROM spans s WHERE EXISTS (SELECT 1 FROM logs l WHERE l.trace_id = s.trace_id)",
        "SELECT name FROM spans WHERE name IN (SELECT name FROM spans) AND duration_nano >= (SELECT min(duration_nano) FROM spans)",
        "SELECT s.name FROM spans s FULL OUTER JOIN logs l ON l.trace_id = s.trace_id",
        "SELECT 1 UNION SELECT 1 UNION ALL SELECT 2",
        'SELECT NULL + 1 AS "Quoted"',
    ):
        doors.ask(sql)
    assert doors.ask("SELECT x FROM (VALUES (1), (NULL)) AS t(x) ORDER BY x").column("x").to_pylist() == [1, None]
    assert doors.ask("SELECT NAME FROM SPANS LIMIT 0").schema.names == ["name"]


def check_keys_are_none_and_have_their_columns(doors):
    client = doors.raw()
    primary = rows(client, "CommandGetPrimaryKeys", (3, "spans"))
    assert primary.num_rows == 0
    assert primary.schema.names[-1] == "key_sequence" and primary.schema.field("key_sequence").type == pyarrow.int32()
    cross = rows(client, "CommandGetCrossReference", (3, "spans"), (6, "logs"))
    for name in ("CommandGetExportedKeys", "CommandGetImportedKeys"):
        assert rows(client, name, (3, "spans")).schema == cross.schema
    assert cross.num_rows == 0 and cross.schema.field("update_rule").type == pyarrow.uint8()
    assert not cross.schema.field("pk_table_name").nullable


def check_types_of_xdbc(doors):
    client = doors.raw()
    types = rows(client, "CommandGetXdbcTypeInfo")
    assert {"bigint", "varchar", "timestamp", "boolean"} <= set(types.column("type_name").to_pylist())
    one = rows(client, "CommandGetXdbcTypeInfo", (1, XDBC_BIGINT & (2**64 - 1)))
    assert set(one.column("data_type").to_pylist()) == {XDBC_BIGINT}
    for name in types.column("type_name").to_pylist():
        if "unsigned" not in name:
            doors.ask(f"SELECT CAST(NULL AS {name}) AS x")


def check_catalogs_schemas_and_table_types_as_they_are_on_the_wire(doors):
    client = doors.raw()
    assert rows(client, "CommandGetCatalogs").to_pylist() == [{"catalog_name": "telestrata"}]
    schemas = rows(client, "CommandGetDbSchemas", (1, "telestrata"), (2, "sys%")).to_pylist()
    assert schemas == [{"catalog_name": "telestrata", "db_schema_name": "system"}]
    assert rows(client, "CommandGetTableTypes").num_rows == 3
    tables = rows(client, "CommandGetTables", (3, "logs"), (5, True))
    schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(tables.column("table_schema")[0].as_py()))
    assert schema.names == doors.ask_http("SELECT * FROM logs LIMIT 0").schema.names
