// SPDX-License-Identifier: Apache-2.0
// Streams of items: generators and what else can be iterated.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ErrorKind } from "./gen/vivarium/v1/common_pb.js";
import { ExecutionInfo_State, ResultFormat } from "./gen/vivarium/v1/execution_pb.js";
import { clientsOf, kinds, makeSession } from "./clients.mjs";
import { Connection, codecs } from "./connection.mjs";
import { plain, resultOf, value } from "./values.mjs";

const typed = { resultFormat: ResultFormat.TYPED };
const eval_ = (session, source, more = {}) =>
  ({ what: { case: "eval", value: { session, source, ...typed, ...more } } });

/** Returns the items of a stream, its verdict and the id of its execution. */
async function collect(stream) {
  const all = { items: [], ids: [] };
  for await (const message of stream) {
    all.items.push(...message.items.map(plain), ...message.jsonItems, ...message.reprItems);
    if (message.executionId) all.ids.push(message.executionId);
    if (message.verdict) all.verdict = message.verdict;
  }
  return all;
}

const closing = "import asyncio\nlog = []\ndef gen():\n  try:\n    n = 0\n    while True:\n"
  + "      log.append(n); yield n; n += 1\n  finally: log.append('closed')\ngen()";

for (const { name, options } of kinds.slice(0, 3)) {
  suite(name, () => {
    const { executions, sessions } = clientsOf(options);
    const run = async (session, source) =>
      resultOf((await executions.eval({ session, source, ...typed })).verdict);

    test("whatever can be iterated becomes items", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      for (const [source, items] of [
        ["(n * n for n in range(5))", [0n, 1n, 4n, 9n, 16n]], ["[1, 'a', None]", [1n, "a", null]],
        ["iter('xy')", ["x", "y"]], ["range(0)", []],
        ["async def g():\n  import asyncio\n  for i in range(3):\n    await asyncio.sleep(0)\n    yield i\ng()",
          [0n, 1n, 2n]]]) {
        const got = await collect(executions.stream(eval_(session, source)));
        assert.deepEqual(got.items, items);
        assert.equal(got.verdict.outcome.case, "result");
        assert.equal(got.ids.length, 1);
        assert.match(got.ids[0], /^exe_/);
      }
    });

    test("many items come all, and in order, whatever the window", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      for (const window of [0, 1, 7]) {
        const count = window === 1 ? 50 : 5_000;
        const { items } = await collect(executions.stream({ ...eval_(session, `range(${count})`), window }));
        assert.deepEqual(items, Array.from({ length: count }, (_, i) => BigInt(i)));
      }
    });

    test("large items come whole", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      const got = await collect(executions.stream(
        eval_(session, "(bytes([n]) * 300_000 for n in range(20))")));
      assert.deepEqual(got.items.map((one) => [one.length, one[0], one.at(-1)]),
        Array.from({ length: 20 }, (_, n) => [300_000, n, n]));
    });

    test("the three forms", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      const form = async (resultFormat) =>
        (await collect(executions.stream(eval_(session, "[1, 'a', None]", { resultFormat })))).items;
      const natural = await form(ResultFormat.JSON);
      assert.deepEqual(natural.map((one) => one.kind.value), [1, "a", 0]);
      assert.deepEqual(await form(ResultFormat.REPR), ["1", "'a'", "None"]);
    });

    test("calls are streamed too", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      const { items } = await collect(executions.stream({ what: { case: "call", value: { session,
        target: { kind: { case: "module", value: "builtins" } }, name: "range", args: [value(3n)],
        options: typed } } }));
      assert.deepEqual(items, [0n, 1n, 2n]);
    });

    test("an error comes after the items before it", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      const got = await collect(executions.stream(eval_(session,
        "def g():\n  yield 1\n  print('said')\n  1/0\ng()")));
      assert.deepEqual(got.items, [1n]);
      assert.equal(got.verdict.outcome.value.type, "ZeroDivisionError");
      assert.equal(got.verdict.stdout, "said\n");
      const none = await collect(executions.stream(eval_(session, "5")));
      assert.equal(none.verdict.outcome.value.code, "not_iterable");
    });

    test("a client that leaves closes the generator", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      const leave = new AbortController();
      for await (const { items } of executions.stream({ ...eval_(session, closing), window: 2 },
        { signal: leave.signal }))
        if (items.length > 0) break;
      leave.abort();
      while ((await run(session, "log[-1]")) !== "closed");
      const { executions: listed } = await executions.list({ session });
      assert.ok(listed.every((one) => one.state === ExecutionInfo_State.DONE));
    });

    test("an item that takes too long ends the stream", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      const slow = "import asyncio\nasync def g():\n  yield 1\n  await asyncio.sleep(3600)\n  yield 2\ng()";
      const idle = await collect(executions.stream({ ...eval_(session, slow), idleTimeoutMs: 200n }));
      assert.deepEqual(idle.items, [1n]);
      assert.equal(idle.verdict.outcome.value.kind, ErrorKind.TIMEOUT);
      const total = await collect(executions.stream(eval_(session, slow, { timeoutMs: 300n })));
      assert.equal(total.verdict.outcome.value.kind, ErrorKind.TIMEOUT);
      assert.equal(await run(session, "6 * 7"), 42n);
    });
  });
}

for (const protocol of Object.keys(codecs)) {
  suite(protocol, () => {
    const start = async (t) => {
      const c = await Connection.open(t, protocol);
      return { c, session: await c.session() };
    };
    const run = async (c, session, source) =>
      resultOf((await c.ask("eval", { session, source, ...typed })).verdict);
    /** Receives until so many items are there, or the end. */
    const take = async (c, id, count) => {
      const items = [];
      while (items.length < count) {
        const frame = await c.receive(id);
        assert.equal(frame.case, "stream", JSON.stringify(frame, (_, v) => typeof v === "bigint" ? `${v}` : v));
        if (frame.value.verdict) return { items, verdict: frame.value.verdict };
        items.push(...frame.value.items.map(plain));
      }
      return { items };
    };

    test("credit counts items: no more are sent, none is computed", async (t) => {
      const { c, session } = await start(t);
      const id = c.send({ case: "stream", value: eval_(session, closing) }, { credit: 3 });
      assert.deepEqual((await take(c, id, 3)).items, [0n, 1n, 2n]);
      assert.deepEqual(await run(c, session, "log"), [0n, 1n, 2n]); // Between pulls others are served.
      assert.equal(c.box(id).length, 0);
      c.send({ case: "moreCredit", value: 2 }, { id });
      assert.deepEqual((await take(c, id, 2)).items, [3n, 4n]);
      assert.deepEqual(await run(c, session, "log"), [0n, 1n, 2n, 3n, 4n]);
      c.send({ case: "abandon", value: {} }, { id });
      const { verdict } = await take(c, id, Infinity);
      assert.equal(verdict.outcome.case, "result");
      assert.equal((await c.receive(id)).case, "end");
      assert.equal(await run(c, session, "log[-1]"), "closed");
    });

    test("the first item is there before the second is computed", async (t) => {
      const { c, session } = await start(t);
      const source = "import asyncio\ngo = asyncio.Event()\nasync def g():\n  yield 1\n  await go.wait()\n"
        + "  yield 2\ng()";
      const id = c.send({ case: "stream", value: eval_(session, source) });
      assert.deepEqual((await take(c, id, 1)).items, [1n]);
      await c.ask("eval", { session, source: "go.set()" });
      assert.deepEqual((await take(c, id, 1)).items, [2n]);
      assert.equal((await take(c, id, 1)).verdict.outcome.case, "result");
      assert.equal((await c.receive(id)).case, "end");
    });

    test("a connection that goes closes its generators", async (t) => {
      const { c, session } = await start(t);
      const other = await Connection.open(t, protocol);
      const id = other.send({ case: "stream", value: eval_(session, closing) }, { credit: 1 });
      await take(other, id, 1);
      other.ws.terminate();
      while ((await run(c, session, "log[-1]")) !== "closed");
    });

    test("streams of one session take turns", async (t) => {
      const { c, session } = await start(t);
      const ids = [1, 2, 3].map((k) => c.send({ case: "stream",
        value: eval_(session, `(${k} * n for n in range(100))`) }, { credit: 10 }));
      for (let round = 0; round < 10; ++round)
        for (const [k, id] of ids.entries()) {
          assert.deepEqual((await take(c, id, 10)).items,
            Array.from({ length: 10 }, (_, i) => BigInt((k + 1) * (10 * round + i))));
          c.send({ case: "moreCredit", value: 10 }, { id });
        }
      for (const id of ids) {
        assert.equal((await take(c, id, 1)).verdict.outcome.case, "result");
        assert.equal((await c.receive(id)).case, "end");
      }
    });

    test("who follows a stream's execution sees its items", async (t) => {
      const { c, session } = await start(t);
      const id = c.send({ case: "stream", value: eval_(session, "range(3)") });
      const { executionId } = (await c.receive(id)).value;
      const follow = c.send({ case: "follow", value: { executionId } });
      const items = [];
      for (;;) {
        const frame = await c.receive(follow);
        if (frame.case === "end") break;
        if (frame.value.event.kind.case === "items")
          items.push(...frame.value.event.kind.value.items.map(plain));
      }
      assert.deepEqual(items, [0n, 1n, 2n]);
    });
  });
}
