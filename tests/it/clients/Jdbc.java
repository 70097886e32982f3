// The JDBC driver. Where to connect to is in the environment: JDBC_URL, and what it does not say in PGUSER and PGPASSWORD.
// One step a line on standard input, one answer a line on standard output, as in robot.py.

import java.io.*;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.sql.*;
import java.util.*;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.core.BaseConnection;
import org.postgresql.largeobject.LargeObject;

class Jdbc {
    Connection connection, second;
    Map<String, PreparedStatement> prepared = new HashMap<>();

    static Connection connect() throws SQLException {
        Properties more = new Properties();
        if (System.getenv("PGUSER") != null) more.setProperty("user", System.getenv("PGUSER"));
        if (System.getenv("PGPASSWORD") != null) more.setProperty("password", System.getenv("PGPASSWORD"));
        return DriverManager.getConnection(System.getenv("JDBC_URL"), more);
    }

    List<String> again() throws SQLException {
        if (connection != null) connection.close();
        if (second != null) second.close();
        prepared.clear();
        connection = connect();
        second = connect();
        return List.of("done");
    }

    static String text(ResultSet found, int column) throws SQLException {
        String value = found.getString(column);
        return value == null ? "NULL" : value;
    }

    static List<String> rows(ResultSet found) throws SQLException {
        List<String> words = new ArrayList<>(List.of("rows"));
        int columns = found.getMetaData().getColumnCount();
        while (found.next()) {
            List<String> row = new ArrayList<>();
            for (int column = 1; column <= columns; column++) row.add(text(found, column));
            words.add(String.join(",", row));
        }
        return words;
    }

    static List<String> sql(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            boolean has = statement.execute(sql);
            List<String> found = null;
            while (has || statement.getUpdateCount() != -1) {
                if (has) found = rows(statement.getResultSet());
                has = statement.getMoreResults();
            }
            return found == null ? List.of("done") : found;
        }
    }

    static List<String> run(PreparedStatement statement, List<String> params) throws SQLException {
        for (int at = 0; at < params.size(); at++) statement.setString(at + 1, params.get(at));
        return statement.execute() ? rows(statement.getResultSet()) : List.of("done");
    }

    PreparedStatement statement(String sql) throws SQLException {
        return connection.prepareStatement(sql.replaceAll("\\$\\d+", "?"));
    }

    static List<String> digest(byte[] data) throws Exception {
        String sum = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(data));
        return List.of("rows", data.length + "," + sum);
    }

    static byte[] lines(int count) {
        StringBuilder lines = new StringBuilder();
        for (int number = 1; number <= count; number++) lines.append(number).append("\tline ").append(number).append('\n');
        return lines.toString().getBytes(StandardCharsets.UTF_8);
    }

    PGConnection own() throws SQLException {
        return connection.unwrap(PGConnection.class);
    }

    List<String> copyIn(String sql, byte[] data) throws Exception {
        own().getCopyAPI().copyIn(sql, new ByteArrayInputStream(data));
        return List.of("done");
    }

    byte[] copyOut(String sql) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        own().getCopyAPI().copyOut(sql, out);
        return out.toByteArray();
    }

    List<String> cursor(String sql, int portion) throws SQLException {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(portion);
            int total = 0;
            try (ResultSet found = statement.executeQuery(sql)) {
                while (found.next()) total++;
            }
            connection.commit();
            return List.of("rows", "" + total);
        } finally {
            connection.setAutoCommit(true);
        }
    }

    List<String> pipeline(List<String> statements) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            for (String sql : statements) statement.addBatch(sql);
            statement.executeBatch();
            return List.of("done");
        } catch (BatchUpdateException error) {
            return List.of("pipeline", error.getSQLState());
        }
    }

    List<String> cancel(String sql, String mark) throws Exception {
        try (Statement statement = connection.createStatement()) {
            CountDownLatch over = new CountDownLatch(1);
            Thread helper = new Thread(() -> {
                String running = "select count(*) from pg_stat_activity where state = 'active' and query_start < clock_timestamp() - interval '0.2 s' and pid <> pg_backend_pid() and query like ?";
                try (PreparedStatement looks = second.prepareStatement(running)) {
                    looks.setString(1, "%" + mark + "%");
                    while (true) {
                        ResultSet found = looks.executeQuery();
                        found.next();
                        if (found.getInt(1) > 0) break;
                        Thread.sleep(20);
                    }
                    statement.cancel();
                    // The server forgets a cancel that comes between two parts of what the driver sends. The statement asks
                    // but once; the connection asks until the server has taken one.
                    while (!over.await(500, TimeUnit.MILLISECONDS)) own().cancelQuery();
                } catch (SQLException | InterruptedException error) {
                    throw new RuntimeException(error);
                }
            });
            helper.start();
            try {
                statement.execute(sql);
                return List.of("done");
            } catch (SQLException error) {
                if (!"57014".equals(error.getSQLState())) throw error;
                return List.of("cancelled");
            } finally {
                over.countDown();
                helper.join();
            }
        }
    }

    List<String> lob(int size) throws Exception {
        connection.setAutoCommit(false);
        try {
            var objects = own().getLargeObjectAPI();
            long id = objects.createLO();
            byte[] data = "x".repeat(size).getBytes(StandardCharsets.UTF_8);
            LargeObject object = objects.open(id);
            object.write(data);
            object.seek(0);
            byte[] back = object.read(size + 1);
            object.close();
            objects.delete(id);
            connection.commit();
            return digest(back);
        } finally {
            connection.setAutoCommit(true);
        }
    }

    List<String> step(String verb, List<String> words) throws Exception {
        switch (verb) {
            case "again": return again();
            case "sql": return sql(connection, words.get(0));
            case "other": return sql(second, words.get(0));
            case "ask": {
                try (PreparedStatement statement = statement(words.get(0))) {
                    return run(statement, words.subList(1, words.size()));
                }
            }
            case "types": {
                List<String> said = new ArrayList<>(List.of("types"));
                try (Statement statement = connection.createStatement()) {
                    ResultSet found = statement.executeQuery(words.get(0));
                    found.next();
                    for (int column = 1; column <= found.getMetaData().getColumnCount(); column++) {
                        Object value = found.getObject(column);
                        said.add(found.getMetaData().getColumnTypeName(column) + " " + found.getString(column)
                            + (value == null ? "" : " " + value.getClass().getName()));
                    }
                }
                return said;
            }
            case "prepare":
                PreparedStatement made = statement(words.get(1));
                // From the first time on, by name and in binary.
                made.unwrap(org.postgresql.PGStatement.class).setPrepareThreshold(-1);
                prepared.put(words.get(0), made);
                return List.of("done");
            case "run": return run(prepared.get(words.get(0)), words.subList(1, words.size()));
            case "pipeline": return pipeline(words);
            case "copy-in": return copyIn(words.get(0), words.get(1).getBytes(StandardCharsets.UTF_8));
            case "copy-lines": return copyIn(words.get(0), lines(Integer.parseInt(words.get(1))));
            case "copy-out": return List.of("text", new String(copyOut(words.get(0)), StandardCharsets.UTF_8));
            case "copy-size": return digest(copyOut(words.get(0)));
            case "cursor": return cursor(words.get(0), Integer.parseInt(words.get(1)));
            case "listen": sql(connection, "listen " + words.get(0)); return List.of("done");
            case "heard":
                PGNotification[] news = own().getNotifications(60_000);
                if (news == null || news.length == 0) return List.of("nothing");
                return List.of("heard", news[0].getName(), news[0].getParameter());
            case "notices": {
                List<String> said = new ArrayList<>(List.of("notices"));
                try (Statement statement = connection.createStatement()) {
                    statement.execute(words.get(0));
                    for (SQLWarning note = statement.getWarnings(); note != null; note = note.getNextWarning())
                        said.add(((org.postgresql.util.PSQLWarning) note).getServerErrorMessage().getSeverity() + ": "
                            + ((org.postgresql.util.PSQLWarning) note).getServerErrorMessage().getMessage());
                }
                return said;
            }
            case "state":
                switch (connection.unwrap(BaseConnection.class).getTransactionState()) {
                    case IDLE: return List.of("idle");
                    case OPEN: return List.of("within");
                    default: return List.of("failed");
                }
            case "cancel": return cancel(words.get(0), words.get(1));
            case "lob": return lob(Integer.parseInt(words.get(0)));
            case "big": {
                try (PreparedStatement statement = connection.prepareStatement("select ?::text")) {
                    statement.setString(1, "x".repeat(Integer.parseInt(words.get(0))));
                    ResultSet found = statement.executeQuery();
                    found.next();
                    return digest(found.getBytes(1));
                }
            }
            default: return List.of("cannot");
        }
    }

    static String unescape(String word) {
        StringBuilder out = new StringBuilder();
        for (int at = 0; at < word.length(); at++) {
            char letter = word.charAt(at);
            if (letter == '\\') {
                letter = word.charAt(++at);
                letter = letter == 't' ? '\t' : letter == 'n' ? '\n' : letter;
            }
            out.append(letter);
        }
        return out.toString();
    }

    static String escape(String word) {
        return word.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n");
    }

    public static void main(String[] args) throws Exception {
        Jdbc robot = new Jdbc();
        robot.again();
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8");
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            List<String> words = new ArrayList<>();
            for (String word : line.split("\t", -1)) words.add(unescape(word));
            List<String> said;
            try {
                said = robot.step(words.get(0), words.subList(1, words.size()));
            } catch (SQLException error) {
                var server = error instanceof org.postgresql.util.PSQLException
                    ? ((org.postgresql.util.PSQLException) error).getServerErrorMessage() : null;
                String state = error.getSQLState() == null ? "none" : error.getSQLState();
                said = List.of("error", state, server == null ? "" + error.getMessage() : server.getMessage());
            }
            List<String> escaped = new ArrayList<>();
            for (String word : said) escaped.add(escape(word));
            out.println(String.join("\t", escaped));
        }
    }
}
