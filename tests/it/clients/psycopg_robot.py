"""psycopg 3, with the libpq that its wheel brings. Where to connect to is in libpq's environment variables, or in a URL."""

import io
import os
import threading

import psycopg
from psycopg.pq import TransactionStatus
from robot import answer, digest, lines, rows, steps


def connect():
    return psycopg.connect(os.environ.get("DSN", ""), autocommit=True, cursor_factory=psycopg.RawCursor)


class Robot:
    def __init__(self):
        self.again()

    def again(self):
        for name in ("connection", "second"):
            if old := getattr(self, name, None):
                old.close()
            setattr(self, name, connect())
        self.prepared, self.notes = {}, []
        self.connection.add_notice_handler(lambda note: self.notes.append(f"{note.severity}: {note.message_primary}"))
        return ["done"]

    def all_of(self, cursor):
        """The rows of the last of the statements that has some."""
        found = None
        while True:
            if cursor.description is not None:
                found = cursor.fetchall()
            if not cursor.nextset():
                return rows(found) if found is not None else ["done"]

    def sql(self, sql):
        return self.all_of(self.connection.execute(sql))

    def other(self, sql):
        return self.all_of(self.second.execute(sql))

    def ask(self, sql, *params):
        return self.all_of(self.connection.execute(sql, params))

    def types(self, sql):
        return ["types", *(repr(value) for value in self.connection.execute(sql, binary=True).fetchone())]

    def prepare(self, name, sql):
        self.prepared[name] = sql
        return ["done"]

    def run(self, name, *params):
        return self.all_of(self.connection.execute(self.prepared[name], params, prepare=True))

    def pipeline(self, *statements):
        said = []
        with self.connection.pipeline() as pipeline:
            cursors = [self.connection.cursor() for _ in statements]
            for cursor, sql in zip(cursors, statements):
                try:
                    cursor.execute(sql)
                except psycopg.Error as error:
                    said.append(error.sqlstate or "aborted")
            try:
                pipeline.sync()
            except psycopg.Error as error:
                said.append(error.sqlstate or "aborted")
        # Whether the statements behind the one that failed tell of it too is a matter of when its answer comes.
        return ["pipeline", said[0]] if said else ["done"]

    def copy_in(self, sql, data):
        with self.connection.cursor().copy(sql) as copy:
            copy.write(data)
        return ["done"]

    def copy_lines(self, sql, count):
        return self.copy_in(sql, lines(count))

    def copy_out(self, sql):
        out = io.BytesIO()
        with self.connection.cursor().copy(sql) as copy:
            for part in copy:
                out.write(part)
        return ["text", out.getvalue().decode()]

    def copy_size(self, sql):
        return digest(self.copy_out(sql)[1])

    def cursor(self, sql, portion):
        total = 0
        with self.connection.transaction(), psycopg.RawServerCursor(self.connection, "portions") as cursor:
            cursor.execute(sql)
            while part := cursor.fetchmany(int(portion)):
                total += len(part)
        return ["rows", str(total)]

    def listen(self, channel):
        self.connection.execute(f"listen {channel}")
        return ["done"]

    def heard(self):
        for note in self.connection.notifies(timeout=60, stop_after=1):
            return ["heard", note.channel, note.payload]
        return ["nothing"]

    def notices(self, sql):
        self.notes.clear()
        self.connection.execute(sql)
        return ["notices", *self.notes]

    def state(self):
        status = self.connection.info.transaction_status
        return [{TransactionStatus.IDLE: "idle", TransactionStatus.INTRANS: "within", TransactionStatus.INERROR: "failed"}[status]]

    def cancel(self, sql, mark):
        def when_it_runs():
            running = "select count(*) from pg_stat_activity where state = 'active' and query_start < clock_timestamp() - interval '0.2 s' and pid <> pg_backend_pid() and query like $1"
            while self.second.execute(running, [f"%{mark}%"]).fetchone()[0] == 0:
                if over.wait(0.02):
                    return
            try:
                # The server forgets a cancel that comes between two parts of what the driver sends: until it has taken one.
                self.connection.cancel_safe()
                while not over.wait(0.5):
                    self.connection.cancel_safe()
            except psycopg.Error as error:
                failed.append(error)

        failed, over = [], threading.Event()
        helper = threading.Thread(target=when_it_runs)
        helper.start()
        try:
            return self.sql(sql)
        except psycopg.errors.QueryCanceled:
            cancelled = ["cancelled"]
        finally:
            over.set()
            helper.join()
        if failed:
            raise failed[0]
        return cancelled

    def big(self, size):
        return digest(self.connection.execute("select $1::text", ["x" * int(size)], binary=True).fetchone()[0])


def main():
    robot = Robot()
    for verb, *words in steps():
        do = getattr(robot, verb.replace("-", "_"), None)
        try:
            answer(do(*words) if do else ["cannot"])
        except psycopg.Error as error:
            answer(["error", error.sqlstate or "none", error.diag.message_primary or str(error)])


main()
