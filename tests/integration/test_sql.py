# SPDX-License-Identifier: Apache-2.0
"""A database for code: PostgreSQL itself, with a password and TLS, and servers that are none."""

import json
import socket
import struct
import threading
import unittest

from vivarium_testing import daemon, servers, waiting
from vivarium_testing.egress import EgressCase, policy


def configured(name, url, more=""):
    """Returns the table of a database."""
    return f'[databases.{name}]\nurl = "{url}"\n{more}'


class Postgres(EgressCase):
    """What code does with a database of the configuration."""

    watched = False  # Connections stay open for a while, as they shall.

    @classmethod
    def setUpClass(cls):
        """One server; several ways to it."""
        cls.database = cls.serve(servers.Postgres("se cret%".replace("%", "x").replace(" ", "")))
        url = cls.database.url()
        cls.config = (
            policy("data", [f"db.test:{cls.database.port}"], ["db.test"])
            + f'[egress.public]\nallow = ["db.test:{cls.database.port}"]\n'
            + '[egress.public.resolve]\n"db.test" = ["127.0.0.1"]\n'
            + configured("main", url, "rows = 1000\nbytes = \"1MiB\"\n")
            + configured("checked", cls.database.url("?sslmode=verify-full", "localhost"),
                         f'ca = "{cls.database.folder}/cert.pem"\n')
            + configured("plain", cls.database.url("?sslmode=disable"))
            + configured("small", url, "connections = 1\nwaiting = 1\nstatement_timeout = \"300ms\"\n")
            + configured("brief", url, "statement_timeout = \"300ms\"\n")
            + configured("single", url, "connections = 1\nstatement_timeout = \"10m\"\n")
            + configured("wrong", url.replace(cls.database.password, "guess"))
            + configured("down", f"postgresql://a@127.0.0.1:{servers.free_port()}/a"))
        super().setUpClass()

    def granted(self, database="main", **more):
        """Returns a session that has a database."""
        return self.session(capabilities={"sql": {"database": database, **more}})

    def value(self, source, session=None):
        """Evaluates with `sql` imported."""
        return self.client.value("import sql\n" + source, session or self.granted())

    def raises(self, kind, text, source, session):
        """What the code raises and says; returns it."""
        error = self.client.eval("import sql\n" + source, session, timeoutMs=str(waiting.scaled(20_000)))["error"]
        self.assertEqual(error["type"].rpartition(".")[2], kind, error)
        self.assertIn(text, error["message"])
        return error

    def test_denied_by_default(self):
        """It can be imported; using it names the option."""
        session = self.session()
        for what in ("sql.query('select 1')", "sql.execute('select 1')",
                     "with sql.transaction(): pass"):
            self.raises("PermissionError", "`capabilities.sql` of CreateSession", what, session)

    def test_rows(self):
        """Rows are dicts; parameters are bound; what changes is counted."""
        self.assertEqual(self.value(
            "out = [sql.execute('create table people (id int primary key, name text, data jsonb)')]\n"
            "name = \"O'Brien\\\"; drop table people; --\"\n"
            "for n in range(3):\n"
            "  out.append(sql.execute('insert into people values ($1, $2, $3)', [n, name, {'n': n}]))\n"
            "out += [sql.query('select * from people where id > $1 order by id', [0]),\n"
            "  sql.query_one('select count(*) as n from people'), sql.query_one('select 1 where false'),\n"
            "  sql.execute('update people set name = $1', (None,)),\n"
            "  sql.query('delete from people returning id')]\n"
            "sql.execute('drop table people')\nout"),
            [0, 1, 1, 1,
             [{"id": 1, "name": "O'Brien\"; drop table people; --", "data": {"n": 1}},
              {"id": 2, "name": "O'Brien\"; drop table people; --", "data": {"n": 2}}],
             {"n": 3}, None, 3, [{"id": 0}, {"id": 1}, {"id": 2}]])

    def test_types_both_ways(self):
        """Each value comes back as it went, alone and in an array."""
        source = (
            "import datetime as d, decimal, uuid\n"
            "utc = d.timezone.utc\n"
            "cases = [('int', 7), ('int', -2**31), ('bigint', 2**62),\n"
            "  ('float8', 0.1), ('float8', float('inf')), ('numeric', decimal.Decimal('1.50')),\n"
            "  ('bool', True), ('bool', False), ('text', 'é\\\\\\'\"{},NULL'), ('text', ''),\n"
            "  ('bytea', bytes(range(256))), ('date', d.date(2024, 2, 29)),\n"
            "  ('time', d.time(1, 2, 3, 4)), ('timestamp', d.datetime(2024, 1, 2, 3, 4, 5, 678)),\n"
            "  ('timestamptz', d.datetime(2024, 1, 2, 3, 4, 5, tzinfo=utc)),\n"
            "  ('interval', d.timedelta(-3, 4, 5)), ('uuid', uuid.UUID(int=5))]\n"
            "out = []\n"
            "for kind, value in cases:\n"
            "  row = sql.query_one(f'select $1::{kind} as one, $2::{kind}[] as many, $3::{kind} as none',\n"
            "                      [value, [value, None, value], None])\n"
            "  good = (row == {'one': value, 'many': [value, None, value], 'none': None}\n"
            "          and type(row['one']) is type(value))\n"
            "  if not good: out.append([kind, repr(row)])\n"
            "row = sql.query_one('select $1::json as a, $2::jsonb as b, $3::int[] as c, $4::text[] as d,'\n"
            "  ' $5 as e, 1::smallint as f, 1.5::real as g, $6::int[] as h, $7 + 1 as i', [sql.Json([1, {'x': None}]),\n"
            "  {'y': 'é'}, [[1, 2], [3, 4]], ['a,b', 'c\"d'], 'as text', [], 2**80])\n"
            "if row != {'a': [1, {'x': None}], 'b': {'y': 'é'}, 'c': [[1, 2], [3, 4]],\n"
            "           'd': ['a,b', 'c\"d'], 'e': 'as text', 'f': 1, 'g': 1.5, 'h': [],\n"
            "           'i': 2**80 + 1}: out.append(row)\n"
            "out")
        self.assertEqual(self.value(source), [])

    def test_errors(self):
        """The server's own say what it says; what cannot be sent is refused before."""
        session = self.granted()
        error = self.raises("Error", 'relation "nowhere" does not exist',
                            "sql.query('select * from nowhere')", session)
        self.assertIn("sql.Error", error["type"] if "." in error["type"] else f"sql.{error['type']}")
        self.assertEqual(self.client.value(
            "try: sql.query('select * from nowhere')\nexcept sql.Error as e: s = e.sqlstate\ns",
            session), "42P01")
        self.raises("IntegrityError", "k_pkey", "sql.execute('create temp table k (id int primary key)')\n"
                    "with sql.transaction() as t:\n"
                    "  t.execute('create temp table k (id int constraint k_pkey primary key)')\n"
                    "  t.execute('insert into k values (1), (1)')"
                    .replace("sql.execute('create temp table k (id int primary key)')\n", ""), session)
        for kind, text, what in (
                ("Error", "syntax error", "sql.query('selec')"),
                ("Error", "multiple commands", "sql.query('select 1; select 2')"),
                ("ValueError", "no NUL", "sql.query('select 1\\0')"),
                ("ValueError", "no NUL", "sql.query('select $1', ['a\\0b'])"),
                ("TypeError", "one for each", "sql.query('select $1', 'x')"),
                ("TypeError", "cannot be a parameter", "sql.query('select $1', [object()])"),
                ("TypeError", "a statement is a str", "sql.query(b'select 1')"),
                ("Error", "COPY is not possible", "sql.query('copy (select 1) to stdout')"),
                ("Error", "use sql.transaction()", "sql.execute('begin')"),
                ("ValueError", "parameters", "sql.query('select 1', [1] * 1001)"),
                ("ValueError", "larger than", "sql.query('x' * 2_000_000)")):
            with self.subTest(what):
                self.raises(kind, text, what, session)
        self.assertEqual(self.client.value("sql.query('select 1 as x')", session), [{"x": 1}])

    def test_bounds(self):
        """Rows and bytes of a result; at the bound it comes, above it an error says what to do."""
        session = self.granted()
        self.assertEqual(self.value("len(sql.query('select generate_series(1, 1000)'))", session), 1000)
        self.raises("Error", "more than 1000 rows; add a LIMIT",
                    "sql.query('select generate_series(1, 1001)')", session)
        self.assertEqual(self.value("len(sql.query_one('select repeat($1, 1_000_000) x', ['x'])['x'])"
                                    .replace("1_000_000", "1000000"), session), 1_000_000)
        for what in ("repeat('x', 1500000)", "repeat('x', 40000000)",
                     "repeat('x', 30000) from generate_series(1, 900)"):
            self.raises("Error", "larger than 1", f"sql.query(\"select {what}\")", session)
        self.assertEqual(self.value("sql.query('select 2 as x')", session), [{"x": 2}])

    def test_transactions(self):
        """All or nothing; one that failed cannot commit; a session has two at once."""
        session = self.granted()
        self.assertEqual(self.value(
            "sql.execute('create table if not exists tx (n int)')\nsql.execute('delete from tx')\n"
            "with sql.transaction() as t:\n  t.execute('insert into tx values (1)')\n"
            "  inside = [t.query('select n from tx'), sql.query('select n from tx')]\n"
            "try:\n  with sql.transaction() as t:\n    t.execute('insert into tx values (2)')\n    1 / 0\n"
            "except ZeroDivisionError: pass\n"
            "said = []\n"
            "try:\n  with sql.transaction() as t:\n    t.execute('insert into tx values (3)')\n"
            "    try: t.query('select 1 / 0')\n    except sql.Error: pass\n"
            "except sql.Error as e: said.append(str(e))\n"
            "a, b = sql.transaction(), sql.transaction()\na.__enter__(); b.__enter__()\n"
            "try: sql.transaction().__enter__()\nexcept sql.Error as e: said.append(str(e))\n"
            "a.__exit__(None, None, None); b.__exit__(None, None, None)\n"
            "out = [inside, sql.query('select n from tx'), said]\nsql.execute('drop table tx')\nout",
            session),
            [[[{"n": 1}], []], [{"n": 1}],
             ["the transaction was rolled back: a statement in it had failed",
              "a session has at most 2 transactions at once"]])

    def test_transactions_that_are_over(self):
        """One in which nothing happens is ended, and its place and connection are free again."""
        session = self.granted("small")
        self.value("kept = sql.transaction()\nkept.__enter__()\n0", session)
        # There is one connection: it comes when the transaction has ended.
        self.assertEqual(self.value("sql.query('select 1 as n')", self.granted("small")), [{"n": 1}])
        self.raises("Error", "this transaction is over", "kept.query('select 1')", session)
        session = self.granted("brief")
        self.assertEqual(self.value(
            "import time\nkept = [sql.transaction(), sql.transaction()]\n"
            "for one in kept: one.__enter__()\n"
            "while True:\n"
            "  try:\n    with sql.transaction() as t: out = t.query('select 2 as n')\n    break\n"
            "  except sql.Error as e:\n    assert 'at most 2' in str(e)\n    time.sleep(0.02)\nout", session), [{"n": 2}])

    def test_a_begin_that_was_cancelled(self):
        """It leaves no transaction whose number nobody knows."""
        session = self.granted("single")
        self.assertEqual(self.value(
            "import asyncio\nfrom vivarium import _host\n"
            "held = sql.transaction()\nheld.__enter__()\n"
            "waits = [asyncio.ensure_future(_host.acall('vivarium.sql.begin'))]\n"
            "await asyncio.sleep(0)\nwaits[0].cancel()\n"
            "await asyncio.gather(*waits, return_exceptions=True)\n"
            "held.__exit__(None, None, None)\n"
            "with sql.transaction() as t: out = t.query('select 3 as n')\n"
            "[waits[0].cancelled(), out]", session), [True, [{"n": 3}]])

    def test_sessions_leave_nothing_for_each_other(self):
        """Settings, temporary tables and open transactions of one are not there for the next."""
        one = self.granted("small")
        self.value("sql.execute(\"set application_name = 'one'\")\n"
                   "sql.execute('create temp table left_over (n int)')\n0", one)
        two = self.granted("small")
        self.assertEqual(self.value(
            "[sql.query_one('show application_name'), sql.query(\"select 1 from pg_class where relname = "
            "'left_over'\")]", two), [{"application_name": "vivarium"}, []])
        self.value("sql.execute('create table open_tx (n int)')\nt = sql.transaction()\nt.__enter__()\n"
                   "t.execute('insert into open_tx values (1)')", one)
        self.client.call("SessionService/CloseSession", {"session": one})
        # The connection is free again, and what it had begun is rolled back.
        self.assertEqual(self.value("out = sql.query('select * from open_tx')\n"
                                    "sql.execute('drop table open_tx')\nout", two), [])

    def test_a_busy_pool(self):
        """Who waits too long is told; too many who wait are refused; a statement has its time."""
        session = self.granted("small")
        self.raises("TimeoutError", "statement timeout", "sql.query('select pg_sleep(60)')", session)
        self.assertEqual(self.value(
            "from concurrent.futures import ThreadPoolExecutor\n"
            "def one(_):\n  try: sql.query('select pg_sleep(0.2)')\n"
            "  except sql.Error as e: return 'calls wait' in str(e)\n"
            "with ThreadPoolExecutor(8) as pool: out = list(pool.map(one, range(8)))\n"
            "[out.count(None), out.count(True)]", session), [2, 6])

    def test_many_at_once(self):
        """Threads and tasks have their own answers."""
        self.assertEqual(self.value(
            "from concurrent.futures import ThreadPoolExecutor\n"
            "def one(n): return sql.query_one('select $1::int as n', [n])['n']\n"
            "with ThreadPoolExecutor(16) as pool: out = list(pool.map(one, range(100)))\n"
            "out == list(range(100))"), True)

    def test_cancelled(self):
        """When the code is stopped, so is the statement at the server."""
        session = self.granted()
        verdict = self.client.eval("import sql\nsql.query('select pg_sleep(25), $1', ['marker'])",
                                   session, timeoutMs="300")
        self.assertEqual(verdict["error"]["kind"], "ERROR_KIND_TIMEOUT")
        watching = self.granted("plain")
        self.assertEqual(self.value(
            "import time\nwhile sql.query(\"select 1 from pg_stat_activity where state = 'active' and "
            "query like '%pg_sleep(25)%' and pid <> pg_backend_pid()\"): time.sleep(0.02)\n'gone'",
            watching), "gone")

    def test_read_only(self):
        """A grant may be for reading only."""
        session = self.granted(readOnly=True)
        self.raises("Error", "read-only transaction", "sql.execute('create table no (n int)')", session)
        self.assertEqual(self.value("sql.query('select 1 as n')", session), [{"n": 1}])

    def test_tls(self):
        """Checked against the name, where the configuration says so; a wrong name is no connection."""
        secure = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
        for database, expected in (("main", True), ("plain", False)):
            self.assertEqual(self.value(f"sql.query_one('{secure}')", self.granted(database)),
                             {"ssl": expected})
        self.raises("UnavailableError", "the database checked cannot be reached", "sql.query('select 1')",
                    self.granted("checked"))
        self.assertIn("TLS with the database failed", self.daemon.log())

    def test_a_url_of_the_clients(self):
        """Goes where the session's egress policy lets it, and nowhere else; code has no credentials."""
        url = self.database.url(host="db.test")
        session = self.session(egress="data", capabilities={"sql": {"databaseUrl": url}})
        self.assertEqual(self.value("sql.query('select 1 as n')", session), [{"n": 1}])
        for capabilities, egress, text in (
                ({"databaseUrl": url}, "", "`egress` of CreateSession"),
                ({"databaseUrl": self.database.url(host="127.0.0.1")}, "data", "does not allow"),
                ({"databaseUrl": self.database.url(host="other.test")}, "data", "does not allow"),
                ({"database": "nowhere"}, "", "[databases.nowhere]")):
            message = {"capabilities": {"sql": capabilities}, "egress": egress}
            refused = self.refused("permission_denied", "SessionService/CreateSession", message)
            self.assertIn(text, refused.message)
            self.assertNotIn(self.database.password, refused.message)
        for bad in ("mysql://a@b/c", "postgresql://a@/b", "postgresql://%2Frun%2Fpostgresql/x",
                    "postgresql://a:b@db.test/x?sslrootcert=/etc/shadow", "postgresql://u%00x@db.test/x",
                    "postgresql://u@2130706433/x"):
            self.refused("invalid_argument", "SessionService/CreateSession",
                         {"capabilities": {"sql": {"databaseUrl": bad}}, "egress": "data"})
        private = self.session(egress="public", capabilities={"sql": {"databaseUrl": url}})
        self.raises("AccessError", "private_address", "sql.query('select 1')", private)

    def test_trouble(self):
        """A wrong password and a server that is down: errors that say so, without the secret."""
        error = self.raises("AccessError", "the database wrong refuses the login", "sql.query('select 1')",
                            self.granted("wrong"))
        self.assertNotIn("guess", json.dumps(error))
        self.assertNotIn("user", error["message"])
        error = self.raises("UnavailableError", "the database down cannot be reached",
                            "sql.query('select 1')", self.granted("down"))
        self.assertNotIn("127.0.0.1", json.dumps(error))
        for text in ("password authentication failed", "cannot connect to 127.0.0.1:"):
            self.assertIn(text, self.daemon.log())
        self.assertNotIn(self.database.password, self.daemon.log())

    def test_psycopg(self):
        """A driver of the session's own gets through as well, with DATABASE_URL in its environment."""
        session = self.session(egress="data", environmentVariables={
            "DATABASE_URL": self.database.url(host="db.test")})
        self.assertEqual(self.client.value(
            "import os, psycopg2\nwith psycopg2.connect(os.environ['DATABASE_URL']) as db, db.cursor() as c:\n"
            "  c.execute('select %s::int + 1', (41,))\n  row = c.fetchone()\ndb.close()\nrow[0]",
            session), 42)


class Impostor:
    """A server that says what it is told to, whatever it is asked."""

    def __init__(self, *answers):
        """Each connection hears all of them, one for each time that it says something."""
        self.answers = answers
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        """Serves one after the other."""
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            with one:
                try:
                    for answer in self.answers:
                        if not one.recv(1 << 16):
                            break
                        one.sendall(answer)
                    while one.recv(1 << 16):
                        pass
                except OSError:
                    pass

    def close(self):
        """Ends it."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(waiting.WATCHDOG)


def message(kind, body=b""):
    """Returns a message of PostgreSQL's protocol."""
    return kind + struct.pack(">I", len(body) + 4) + body


WELCOME = message(b"R", struct.pack(">I", 0)) + message(b"Z", b"I")
COLUMN = message(b"T", struct.pack(">H", 1) + b"x\0" + bytes(6) + struct.pack(">I", 25) + bytes(8))


class Impostors(EgressCase):
    """Servers that lie, hang or send without end: an error for the code, nothing for the daemon."""

    ANSWERS = {
        "silence": (),
        "not-postgres": (b"HTTP/1.1 400 Bad Request\r\n\r\n",),
        "endless-rounds": (message(b"R", struct.pack(">I", 10) + b"SCRAM-SHA-256\0\0"),
                           b"scram"),
        "huge-message": (WELCOME, b"D" + struct.pack(">I", 0x7fffffff)),
        "negative-length": (WELCOME, b"D" + struct.pack(">I", 3)),
        "bad-row": (WELCOME, COLUMN + message(b"D", struct.pack(">HI", 1, 1000) + b"x")),
        "row-without-columns": (WELCOME, message(b"D", struct.pack(">HI", 1, 0))),
        "many-columns": (WELCOME, message(b"T", struct.pack(">H", 65_535))),
        "endless-notices": (WELCOME, message(b"N", b"\0") * 20_000),
        "columns-twice": (WELCOME, COLUMN * 2),
        "wide-columns": (WELCOME, message(b"T", struct.pack(">H", 1) + b"x" * 5_000 + bytes(7)
                                          + struct.pack(">I", 25) + bytes(8))),
        "endless-tags": (WELCOME, message(b"C", b"SELECT 1\0") * 10_001),
        "endless-errors": (WELCOME, message(b"E", b"\0") * 10_001),
        "copy": (WELCOME, message(b"G", b"\0\0\0")),
        "error-without-end": (WELCOME, message(b"E", b"Mxxxx") + message(b"Z", b"I")),
        "bytes-that-are-no-text": (WELCOME, COLUMN + message(b"D", struct.pack(">HI", 1, 2) + b"\xff\xfe")
                                   + message(b"C", b"SELECT 1\0") + message(b"Z", b"I")),
    }

    watched = False

    @classmethod
    def setUpClass(cls):
        """One impostor for each."""
        cls.config = ""
        for name, answers in cls.ANSWERS.items():
            one = cls.serve(_Rounds() if name == "endless-rounds" else Impostor(*answers))
            cls.config += configured(
                name, f"postgresql://a:b@127.0.0.1:{one.port}/c?sslmode=disable",
                'connect_timeout = "300ms"\nstatement_timeout = "300ms"\nbytes = "4KiB"\n')
        super().setUpClass()

    EXPECTED = {
        "silence": "does not answer", "not-postgres": "larger than", "endless-rounds": "more rounds",
        "huge-message": "larger than", "negative-length": "does not speak", "bad-row": "a row that is none",
        "row-without-columns": "a row that is none", "many-columns": "describes columns",
        "endless-notices": "without end", "columns-twice": "describes columns twice",
        "wide-columns": "larger than 4096 bytes", "endless-tags": "without end",
        "endless-errors": "without end", "copy": "COPY", "error-without-end": "say why",
    }

    def test_all(self):
        """Each is told apart; sessions and daemon go on."""
        for name in self.ANSWERS:
            with self.subTest(name):
                session = self.session(capabilities={"sql": {"database": name}})
                verdict = self.client.eval("import sql\nsql.query('select 1')", session,
                                           timeoutMs="20000")
                if name in self.EXPECTED:
                    self.assertIn(self.EXPECTED[name], verdict["error"]["message"])
                else:
                    self.assertEqual(verdict["result"]["json"], [{"x": "//4="}])
                self.assertEqual(self.client.value("1 + 1", session), 2)


class _Rounds(Impostor):
    """Asks for more work with a password than a server should."""

    def work(self):
        """Answers the client's nonce with its own."""
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            with one:
                one.recv(1 << 16)
                one.sendall(message(b"R", struct.pack(">I", 10) + b"SCRAM-SHA-256\0\0"))
                nonce = one.recv(1 << 16).partition(b"r=")[2]
                one.sendall(message(b"R", struct.pack(">I", 11) + b"r=" + nonce + b"x,s=QUJD,i=2000000000"))
                one.recv(1 << 16)


class Down(unittest.TestCase):
    """A database that goes while it is used."""

    def test_a_restart(self):
        """Calls fail while it is gone, and work when it is back, without a new session."""
        database = servers.Postgres()
        self.addCleanup(database.close)
        with daemon.Daemon(configured("main", database.url())) as running, running.client() as client:
            session = client.create(capabilities={"sql": {"database": "main"}})
            ask = "import sql\nsql.query('select 1 as n')"
            self.assertEqual(client.value(ask, session), [{"n": 1}])
            database.stop()
            error = client.eval(ask, session)["error"]
            self.assertEqual(error["type"].rpartition(".")[2], "UnavailableError")
            database.start()
            # It takes connections before it has recovered, and says so.
            waiting.wait_for(lambda: client.eval(ask, session).get("result", {}).get("json")
                             == [{"n": 1}], "PostgreSQL again")


if __name__ == "__main__":
    unittest.main()
