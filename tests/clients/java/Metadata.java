import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.util.StringJoiner;

/** Every method of pgJDBC's DatabaseMetaData, `java Metadata.java jdbc:postgresql://HOST:PORT/telestrata USER`: a line a row. */
public class Metadata {
    interface Question {
        ResultSet ask() throws SQLException;
    }

    static void show(String name, Question question) throws SQLException {
        try (ResultSet rows = question.ask()) {
            ResultSetMetaData columns = rows.getMetaData();
            int count = 0;
            while (rows.next()) {
                StringJoiner line = new StringJoiner("|");
                for (int column = 1; column <= columns.getColumnCount(); column++) {
                    line.add(columns.getColumnLabel(column) + "=" + rows.getString(column));
                }
                System.out.println(name + ": " + line.toString().replace("\n", " "));
                count++;
            }
            System.out.println(name + " has " + count);
        }
    }

    public static void main(String[] args) throws SQLException {
        try (Connection connection = DriverManager.getConnection(args[0], args[1], "")) {
            DatabaseMetaData about = connection.getMetaData();
            System.out.println("product: " + about.getDatabaseProductName() + " " + about.getDatabaseMajorVersion());
            System.out.println("schema: " + connection.getCatalog() + "." + connection.getSchema());
            show("catalogs", () -> about.getCatalogs());
            show("schemas", () -> about.getSchemas());
            show("schemas like", () -> about.getSchemas(null, "pub%"));
            show("table types", () -> about.getTableTypes());
            show("tables", () -> about.getTables(null, "public", "%", new String[] {"TABLE"}));
            show("views", () -> about.getTables(null, null, "%", new String[] {"VIEW"}));
            show("all tables", () -> about.getTables(null, null, "%", null));
            show("columns", () -> about.getColumns(null, "public", "logs", "%"));
            show("all columns", () -> about.getColumns(null, null, null, null));
            show("primary keys", () -> about.getPrimaryKeys(null, "public", "logs"));
            show("imported keys", () -> about.getImportedKeys(null, "public", "logs"));
            show("exported keys", () -> about.getExportedKeys(null, "public", "logs"));
            show("cross reference", () -> about.getCrossReference(null, "public", "logs", null, "public", "spans"));
            show("indexes", () -> about.getIndexInfo(null, "public", "logs", false, true));
            show("types", () -> about.getTypeInfo());
            show("procedures", () -> about.getProcedures(null, null, "%"));
            show("procedure columns", () -> about.getProcedureColumns(null, null, "%", "%"));
            show("functions", () -> about.getFunctions(null, null, "%"));
            show("function columns", () -> about.getFunctionColumns(null, null, "trace_tree", "%"));
            show("user types", () -> about.getUDTs(null, null, "%", null));
            show("best row", () -> about.getBestRowIdentifier(null, "public", "logs", 0, true));
            show("version columns", () -> about.getVersionColumns(null, "public", "logs"));
            show("table privileges", () -> about.getTablePrivileges(null, "public", "logs"));
            show("column privileges", () -> about.getColumnPrivileges(null, "public", "logs", "%"));
            System.out.println("keywords: " + about.getSQLKeywords().contains("ilike") + " " + about.getMaxColumnNameLength());
            try (PreparedStatement statement = connection.prepareStatement("SELECT * FROM public.logs WHERE body = ? LIMIT 1")) {
                statement.setString(1, "log 3");
                try (ResultSet rows = statement.executeQuery()) {
                    ResultSetMetaData columns = rows.getMetaData();
                    rows.next();
                    for (int column = 1; column <= columns.getColumnCount(); column++) {
                        System.out.println("column: " + columns.getColumnName(column) + " " + columns.getColumnTypeName(column));
                    }
                    System.out.println("body: " + rows.getString("body"));
                }
            }
        }
    }
}
