// SPDX-License-Identifier: Apache-2.0
// Server streaming by a client generated from our .proto.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { ErrorKind } from "./gen/vivarium/v1/common_pb.js";
import { clientsOf, detailOf, kinds, makeSession } from "./clients.mjs";

async function collect(stream) {
  const events = [];
  for await (const { event } of stream) if (event) events.push(event);
  return events;
}

for (const { name, options } of kinds) {
  suite(name, () => {
    const { executions, sessions } = clientsOf(options);

    test("events come in order and end with the verdict", async (t) => {
      const session = await makeSession(t, sessions);
      const { executionId } = await executions.start({ eval: {
        session: session.id, source: "for i in range(3): print(i, flush=True)\n6 * 7" } });
      const events = await collect(executions.follow({ executionId }));
      assert.deepEqual(events.map((e) => e.sequence), events.map((_, i) => BigInt(i + 1)));
      assert.equal(events[0].kind.case, "started");
      assert.equal(events.at(-1).kind.case, "verdict");
      assert.equal(events.filter((e) => e.kind.case === "stdout").map((e) => e.kind.value).join(""),
        "0\n1\n2\n");
      const later = await collect(executions.follow({ executionId, fromSequence: 2n }));
      assert.deepEqual(later, events.slice(1));
    });

    test("output arrives while the code runs", async (t) => {
      const session = await makeSession(t, sessions);
      const { executionId } = await executions.start({ eval: { session: session.id, source:
        "import asyncio\ngo = asyncio.Event()\nprint('ready', flush=True)\nawait go.wait()" } });
      let told = false;
      for await (const { event } of executions.follow({ executionId })) {
        if (event?.kind.case === "stdout") {
          told = true;
          await executions.eval({ session: session.id, source: "go.set()" });
        }
      }
      assert.ok(told);
    });

    test("an unknown execution is an error at the end of the stream", async () => {
      const error = await collect(executions.follow({ executionId: `exe_0${"a".repeat(26)}` }))
        .then(() => assert.fail("no error"), (e) => e);
      assert.equal(error.code, Code.NotFound);
      assert.equal(detailOf(error).kind, ErrorKind.NOT_FOUND);
    });

    test("a stream that its client leaves costs the execution nothing", async (t) => {
      const session = await makeSession(t, sessions);
      const { executionId } = await executions.start({ eval: { session: session.id, source:
        "import asyncio\ngo = asyncio.Event()\nprint('ready', flush=True)\nawait go.wait()\n'end'" } });
      // Leaving the loop alone would leave the connection to the client's garbage collector.
      const leave = new AbortController();
      for await (const { event } of executions.follow({ executionId }, { signal: leave.signal }))
        if (event?.kind.case === "stdout") break;
      leave.abort();
      await executions.eval({ session: session.id, source: "go.set()" });
      const { verdict } = await executions.wait({ executionId, timeoutMs: 30_000n });
      assert.equal(verdict.outcome.case, "result");
    });

    test("the client's timeout ends the stream, not the execution", async (t) => {
      const session = await makeSession(t, sessions);
      const { executionId } = await executions.start({ eval: {
        session: session.id, source: "import asyncio\nawait asyncio.sleep(3600)" } });
      const error = await collect(executions.follow({ executionId }, { timeoutMs: 200 }))
        .then(() => assert.fail("no error"), (e) => e);
      assert.equal(error.code, Code.DeadlineExceeded);
      assert.equal((await executions.wait({ executionId })).done, false);
      await executions.cancel({ executionId });
      assert.equal((await executions.wait({ executionId, timeoutMs: 30_000n })).done, true);
    });
  });
}
