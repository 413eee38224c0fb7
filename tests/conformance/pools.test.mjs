// SPDX-License-Identifier: Apache-2.0
// Session pools and messages, by a client that was generated.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Affinity, ResultFormat } from "./gen/vivarium/v1/execution_pb.js";
import { MessageService } from "./gen/vivarium/v1/message_pb.js";
import { PoolService } from "./gen/vivarium/v1/pool_pb.js";
import { clientsOf, detailOf, kinds, makeSession, url } from "./clients.mjs";
import { resultOf, value } from "./values.mjs";

const failure = (promise) => promise.then(() => assert.fail("no error"), (error) => error);

for (const { name, options } of kinds.slice(0, 3)) {
  suite(name, () => {
    const { executions, sessions } = clientsOf(options);
    const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1", ...options });
    const pools = createClient(PoolService, transport);
    const messages = createClient(MessageService, transport);
    const typed = { resultFormat: ResultFormat.TYPED };

    test("a pool is made, used, listed and closed", async () => {
      const { pool } = await pools.createPool({ name: "node", sessions: 2, session: { init: { source: "x = 20" } } });
      assert.equal(pool.name, "node");
      const answers = await Promise.all(Array.from({ length: 20 }, (_, n) =>
        executions.eval({ pool: "node", source: `x + ${n}`, ...typed })));
      assert.deepEqual(answers.map((one) => resultOf(one.verdict)), answers.map((_, n) => BigInt(20 + n)));
      assert.ok(answers.every((one) => one.sessionId === ""));
      const strict = { pool: "node", affinityKey: "cart", affinity: Affinity.STRICT_QUEUE, ...typed };
      await executions.eval({ ...strict, source: "cart = [1]" });
      assert.equal(resultOf((await executions.eval({ ...strict, source: "len(cart)" })).verdict), 1n);
      const listed = await pools.listPools({});
      assert.deepEqual(listed.pools.map((one) => [one.name, one.sessions]), [["node", 2]]);
      await pools.closePool({ pool: "node" });
      const error = await failure(executions.eval({ pool: "node", source: "1" }));
      assert.equal(error.code, Code.NotFound);
    });

    test("overload is refused with its figures", async () => {
      await pools.createPool({ name: "tiny", sessions: 1, queue: 1n });
      await executions.eval({ pool: "tiny", source: "1" });
      const sleep = { eval: { pool: "tiny", source: "import time\ntime.sleep(60)" } };
      const jobs = [await executions.start(sleep), await executions.start(sleep)];
      const full = await failure(executions.eval({ pool: "tiny", source: "1" }));
      assert.equal(full.code, Code.ResourceExhausted);
      assert.equal(detailOf(full).quota.name, "session_pool_queue");
      assert.ok(detailOf(full).quota.retryAfterMs > 0n);
      const busy = await failure(executions.eval({ pool: "tiny", source: "1", affinity: Affinity.STRICT_FAIL_FAST }));
      assert.equal(detailOf(busy).code, "worker_busy");
      for (const { executionId } of jobs.reverse())
        await executions.cancel({ executionId });
      await pools.closePool({ pool: "tiny" });
    });

    test("messages go to a stream and to a session", async (t) => {
      const end = new AbortController();
      const received = messages.receive({ name: "node" }, { signal: end.signal })[Symbol.asyncIterator]();
      const first = await received.next();
      assert.match(first.value.what.value.id, /^box_/);
      const { receivers } = await messages.send({ to: "node", content: { case: "value", value: value(7n) } });
      assert.equal(receivers, 1n);
      const { what } = (await received.next()).value;
      assert.equal(what.case, "message");
      assert.equal(what.value.sequence, 1n);
      const { id: session } = await makeSession(t, sessions);
      await messages.send({ to: session, content: { case: "value", value: value(8n) } });
      const { verdict } = await executions.eval({ session, ...typed,
        source: "import vivarium\nm = vivarium.receive(60)\nvivarium.send('node', m.content + 1)\nm.content" });
      assert.equal(resultOf(verdict), 8n);
      const echo = (await received.next()).value.what.value;
      assert.equal(echo.sender, session);
      end.abort();
      await failure(received.next());
      const nobody = await failure(messages.send({ to: "nobody", content: { case: "json", value: { kind: { case: "boolValue", value: true } } } }));
      assert.equal(nobody.code, Code.NotFound);
    });
  });
}
