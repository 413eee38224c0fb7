// SPDX-License-Identifier: Apache-2.0
// Functions of the application that Python calls, offered by clients generated from our .proto.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { LogLevel } from "./gen/vivarium/v1/common_pb.js";
import { ResultFormat } from "./gen/vivarium/v1/execution_pb.js";
import { clientsOf, kinds, makeSession } from "./clients.mjs";
import { Connection, codecs } from "./connection.mjs";
import { plain, resultOf, value } from "./values.mjs";

const typed = { resultFormat: ResultFormat.TYPED };
const begin = "import vivarium, asyncio\nfrom vivarium import host\n";

/** Offers functions until the test ends; each gets its arguments, plain, and the call. */
async function serve(t, hosts, functions, request = {}) {
  const stop = new AbortController();
  const calls = hosts.serve({ format: ResultFormat.TYPED, ...request }, { signal: stop.signal });
  const messages = calls[Symbol.asyncIterator]();
  const first = await messages.next();
  assert.equal(first.value.what.case, "serving");
  const dropped = [];
  const answer = async (call) => {
    let outcome;
    try {
      outcome = { case: "value", value: value(await functions[call.name](call.args.map(plain), call)) };
    } catch (e) {
      outcome = { case: "error", value: { type: e.name, message: e.message, traceback: e.stack,
        data: value(e.data ?? null) } };
    }
    if (!call.callId) return;
    try {
      await hosts.answer({ callId: call.callId, outcome });
    } catch (e) {
      assert.equal(e.code, Code.NotFound); // It came too late.
    }
  };
  const loop = (async () => {
    const running = [];
    try {
      for (let next; !(next = await messages.next()).done;) {
        const { what } = next.value;
        if (what.case === "call") running.push(answer(what.value));
        else dropped.push(what.value.callId);
      }
    } catch (e) {
      assert.equal(e.code, Code.Canceled);
    }
    await Promise.all(running);
  })();
  const end = async () => { stop.abort(); await loop; };
  t.after(end);
  return { dropped, end };
}

for (const { name, options } of kinds.slice(0, 4)) {
  suite(name, () => {
    const { executions, hosts, sessions } = clientsOf(options);
    const run = async (session, source, more = {}) =>
      (await executions.eval({ session, source: begin + source, ...typed, ...more })).verdict;

    test("a stream brings calls, a request answers each", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      await serve(t, hosts, {
        "math.add": ([a, b], { kwargs }) => a + b + plain(kwargs[0].value),
        "who": (_, call) => `${call.sessionId} ${call.timeoutMs}`,
      }, { session });
      assert.equal(resultOf(await run(session, "host.math.add(1, 2, more=39)")), 42n);
      assert.equal(resultOf(await run(session, "host.who()")), `${session} 60000`);
    });

    test("many at once, in any order", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      await serve(t, hosts, {
        square: async ([n]) => {
          if (n % 3n === 0n) await new Promise((go) => { setImmediate(go); });
          return n * n;
        },
      }, { session });
      assert.deepEqual(resultOf(await run(session,
        "await asyncio.gather(*(vivarium.acall('square', n) for n in range(100)))")),
      Array.from({ length: 100 }, (_, n) => BigInt(n * n)));
    });

    test("a function evaluates in the session that called it", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      await serve(t, hosts, {
        down: async ([n], { callId }) => (n === 0n ? 0n : resultOf(await run(session,
          `host.down(${n - 1n}) + 1`, { withinCall: callId }))),
      }, { session });
      assert.equal(resultOf(await run(session, "host.down(10)")), 10n);
    });

    test("errors carry what the application says", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      await serve(t, hosts, {
        fail: () => { throw Object.assign(new RangeError("beyond"), { data: 7n }); },
      }, { session });
      const { outcome } = await run(session, "host.fail()");
      assert.equal(outcome.case, "error");
      assert.equal(outcome.value.type, "HostCallError");
      assert.equal(outcome.value.message, "RangeError: beyond");
      assert.match(outcome.value.traceback, /callbacks\.test\.mjs/);
      assert.match(outcome.value.traceback, /host\.fail\(\)/);
      assert.deepEqual(resultOf(await run(session,
        "try:\n  host.fail()\nexcept vivarium.HostCallError as e:\n  r = [e.type, e.data]\nr")),
      ["RangeError", 7n]);
    });

    test("who goes away fails the calls that wait, and a late answer is an error", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      let called;
      const came = new Promise((resolve) => { called = resolve; });
      let go;
      const gate = new Promise((resolve) => { go = resolve; });
      const serving = await serve(t, hosts,
        { slow: (_, call) => { called(call); return gate; } }, { session });
      const waiting = run(session, "host.slow()");
      const { callId } = await came;
      const ending = serving.end();
      const { outcome } = await waiting;
      assert.equal(outcome.value.type, "HostUnavailableError");
      go(1n);
      await ending;
      const error = await hosts.answer({ callId, outcome: { case: "value", value: value(1n) } })
        .then(() => assert.fail("no error"), (e) => e);
      assert.equal(error.code, Code.NotFound);
      const nobody = await run(session, "host.slow()");
      assert.equal(nobody.outcome.value.type, "HostNotFoundError");
    });

    test("a call whose time is over is dropped", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      let go;
      const gate = new Promise((resolve) => { go = resolve; });
      let id;
      const serving = await serve(t, hosts,
        { slow: (_, call) => { id = call.callId; return gate; }, ping: () => 1n }, { session });
      const { outcome } = await run(session, "vivarium.call('slow', _timeout=0.1)");
      assert.equal(outcome.value.type, "HostTimeoutError");
      // What the stream brings comes in order.
      assert.equal(resultOf(await run(session, "host.ping()")), 1n);
      assert.deepEqual(serving.dropped, [id]);
      go(null);
    });

    test("modules of the application, and what code tells", async (t) => {
      const { id: session } = await makeSession(t, sessions, {
        logLevel: LogLevel.WARNING,
        modules: [{ name: "auth", functions: ["get_user", "async check"],
          constants: { VERSION: value(3n) } }] });
      await serve(t, hosts, { "auth.get_user": ([id]) => [id, "Ada"], "auth.check": () => true },
        { session });
      const { executionId } = await executions.start({ eval: { session, ...typed, source: begin
        + "import auth, logging\nlog = logging.getLogger('app')\n"
        + "log.addHandler(vivarium.LoggingHandler())\nlog.warning('careful')\n"
        + "vivarium.progress(1, 2, 'half')\n"
        + "[auth.get_user(7), await auth.check(), auth.VERSION]" } });
      const events = [];
      for await (const { event } of executions.follow({ executionId })) if (event) events.push(event.kind);
      const [record] = events.filter((e) => e.case === "log");
      assert.deepEqual([record.value.level, record.value.logger, record.value.message],
        [LogLevel.WARNING, "app", "careful"]);
      const [progress] = events.filter((e) => e.case === "progress");
      assert.deepEqual([progress.value.done, progress.value.total, progress.value.text],
        [1, 2, "half"]);
      const { verdict } = await executions.wait({ executionId });
      assert.deepEqual(resultOf(verdict), [[7n, "Ada"], true, 3n]);
    });
  });
}

for (const protocol of Object.keys(codecs)) {
  suite(protocol, () => {
    /** Begins to serve on a connection. */
    const serving = async (connection, request = {}) => {
      const id = connection.send(
        { case: "serve", value: { format: ResultFormat.TYPED, ...request } }, { credit: 100 });
      const first = await connection.receive(id);
      assert.equal(first.value.what.case, "serving");
      return id;
    };
    const nextCall = async (connection, id) => {
      const { value: { what } } = await connection.receive(id);
      assert.equal(what.case, "call");
      return what.value;
    };

    test("one connection evaluates and answers", async (t) => {
      const connection = await Connection.open(t, protocol);
      const session = await connection.session();
      const id = await serving(connection);
      const run = connection.send({ case: "eval", value: { session, ...typed,
        source: begin + "host.add(1, 2)" } });
      const call = await nextCall(connection, id);
      assert.deepEqual(call.args.map(plain), [1n, 2n]);
      // With the number of the offer an answer is not acknowledged.
      connection.send({ case: "answer", value: { callId: call.callId,
        outcome: { case: "value", value: value(3n) } } }, { id });
      assert.equal(resultOf((await connection.receive(run)).value.verdict), 3n);
    });

    test("functions are values", async (t) => {
      const connection = await Connection.open(t, protocol);
      const session = await connection.session();
      const id = await serving(connection, { names: ["mine.*"] });
      const run = connection.send({ case: "eval", value: { session, ...typed, source: "f(4)",
        variables: { f: { kind: { case: "function", value: { name: "mine.f" } } } } } });
      const call = await nextCall(connection, id);
      assert.equal(call.name, "mine.f");
      await connection.ask("answer", { callId: call.callId,
        outcome: { case: "value", value: value(8n) } });
      assert.equal(resultOf((await connection.receive(run)).value.verdict), 8n);
    });

    test("re-entrant ten deep", async (t) => {
      const connection = await Connection.open(t, protocol);
      const session = await connection.session();
      const id = await serving(connection);
      const runs = [];
      const calls = [];
      for (let level = 0; level < 10; ++level) {
        runs.push(connection.send({ case: "eval", value: { session, ...typed,
          source: begin + "host.down() + 1", withinCall: calls.at(-1)?.callId ?? "" } }));
        calls.push(await nextCall(connection, id));
      }
      let result = 0n;
      for (let level = 9; level >= 0; --level) {
        connection.send({ case: "answer", value: { callId: calls[level].callId,
          outcome: { case: "value", value: value(result) } } }, { id });
        result = resultOf((await connection.receive(runs[level])).value.verdict);
      }
      assert.equal(result, 10n);
    });
  });
}
