"""asyncpg, which speaks the protocol itself. Where to connect to is in libpq's environment variables, or in a URL."""

import asyncio
import io
import os

import asyncpg
from robot import answer, digest, lines, rows, steps


class Robot:
    connection = second = None

    async def again(self):
        for old in (self.connection, self.second):
            if old:
                await old.close()
        dsn = os.environ.get("DSN")
        self.connection, self.second = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
        self.prepared, self.notes, self.news = {}, [], asyncio.Queue()
        self.connection.add_log_listener(lambda _, note: self.notes.append(f"{note.severity}: {note.message}"))
        return ["done"]

    async def sql(self, sql):
        """Its simple queries give no rows: a single statement is asked for them, several are not."""
        if ";" in sql.rstrip("; "):
            await self.connection.execute(sql)
            return ["done"]
        return await self.ask(sql)

    async def ask(self, sql, *params):
        statement = await self.connection.prepare(sql)
        found = await statement.fetch(*params)
        return rows(found) if statement.get_attributes() else ["done"]

    async def other(self, sql):
        return rows(await self.second.fetch(sql))

    async def types(self, sql):
        return ["types", *(repr(value) for value in await self.connection.fetchrow(sql))]

    async def prepare(self, name, sql):
        self.prepared[name] = await self.connection.prepare(sql)
        return ["done"]

    async def run(self, name, *params):
        return rows(await self.prepared[name].fetch(*params))

    async def copy_in(self, sql, data):
        table, _, rest = sql.removeprefix("copy ").partition(" from stdin")
        assert not rest, sql
        await self.connection.copy_to_table(table, source=io.BytesIO(data.encode()))
        return ["done"]

    async def copy_lines(self, sql, count):
        return await self.copy_in(sql, lines(count))

    async def copy_out(self, sql):
        out = io.BytesIO()
        query, _, rest = sql.removeprefix("copy (").partition(") to stdout")
        assert not rest, sql
        await self.connection.copy_from_query(query, output=out)
        return ["text", out.getvalue().decode()]

    async def copy_size(self, sql):
        return digest((await self.copy_out(sql))[1])

    async def cursor(self, sql, portion):
        total = 0
        async with self.connection.transaction():
            cursor = await self.connection.cursor(sql)
            while part := await cursor.fetch(int(portion)):
                total += len(part)
        return ["rows", str(total)]

    async def listen(self, channel):
        await self.connection.add_listener(channel, lambda _, __, name, payload: self.news.put_nowait((name, payload)))
        return ["done"]

    async def heard(self):
        return ["heard", *await asyncio.wait_for(self.news.get(), 60)]

    async def notices(self, sql):
        self.notes.clear()
        await self.connection.execute(sql)
        # They are told in the loop's next turn.
        await asyncio.sleep(0)
        return ["notices", *self.notes]

    async def cancel(self, sql, mark):
        # Prepared before: while it is, the server would forget a cancel.
        statement = await self.connection.prepare(sql)
        task = asyncio.ensure_future(statement.fetch())
        running = "select count(*) from pg_stat_activity where state = 'active' and query_start < clock_timestamp() - interval '0.2 s' and pid <> pg_backend_pid() and query like $1"
        while await self.second.fetchval(running, f"%{mark}%") == 0:
            await asyncio.sleep(0.02)
        task.cancel()
        try:
            return rows(await task)
        except asyncio.CancelledError:
            # It waits for the server's answer before the next statement.
            await self.connection.fetch("select 1")
            return ["cancelled"]

    async def big(self, size):
        return digest(await self.connection.fetchval("select $1::text", "x" * int(size)))


async def main():
    robot = Robot()
    await robot.again()
    for verb, *words in steps():
        do = getattr(robot, verb.replace("-", "_"), None)
        try:
            answer(await do(*words) if do else ["cannot"])
        except asyncpg.PostgresError as error:
            answer(["error", error.sqlstate, error.message])


asyncio.run(main())
