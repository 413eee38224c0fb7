// SPDX-License-Identifier: Apache-2.0
// Many at once, with a verdict each.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { ErrorKind } from "./gen/vivarium/v1/common_pb.js";
import { ResultFormat } from "./gen/vivarium/v1/execution_pb.js";
import { clientsOf, kinds, makeSession } from "./clients.mjs";
import { Connection, codecs } from "./connection.mjs";
import { resultOf, value } from "./values.mjs";

const typed = { resultFormat: ResultFormat.TYPED };
const eval_ = (session, source, more = {}) =>
  ({ what: { case: "eval", value: { session, source, ...typed, ...more } } });

for (const { name, options } of kinds.slice(0, 3)) {
  suite(name, () => {
    const { executions, sessions } = clientsOf(options);

    test("verdicts come in order, and one that fails does not stop others", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      const { results } = await executions.batch({ items: [
        eval_(session, "x = 1\nx"), eval_(session, "1/0"), eval_("nobody", "1"), eval_(session, "x + 1"),
        {}, eval_(session, "1", { code: "c" }),
        { what: { case: "call", value: { session, target: { kind: { case: "module", value: "math" } },
          name: "sqrt", args: [value(16n)], options: typed } } }] });
      assert.equal(results.length, 7);
      assert.equal(resultOf(results[0].verdict), 1n);
      assert.match(results[0].executionId, /^exe_/);
      assert.equal(results[0].sessionId, session);
      assert.equal(results[1].verdict.outcome.value.type, "ZeroDivisionError");
      assert.equal(results[2].rejection.code, "not_found");
      assert.equal(results[2].rejection.detail.kind, ErrorKind.NOT_FOUND);
      assert.equal(results[2].verdict, undefined);
      assert.equal(resultOf(results[3].verdict), 2n);
      assert.equal(results[4].rejection.code, "invalid_argument");
      assert.equal(results[5].rejection.code, "invalid_argument");
      assert.equal(resultOf(results[6].verdict), 4);
    });

    test("a thousand, but no more", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      const items = Array.from({ length: 1_000 }, (_, i) => eval_(session, `${i}`));
      const { results } = await executions.batch({ items });
      assert.deepEqual(results.map((one) => resultOf(one.verdict)), items.map((_, i) => BigInt(i)));
      const error = await executions.batch({ items: [...items, {}] }).then(
        () => assert.fail("no error"), (e) => e);
      assert.equal(error.code, Code.InvalidArgument);
      assert.deepEqual((await executions.batch({})).results, []);
    });
  });
}

for (const protocol of Object.keys(codecs)) {
  suite(protocol, () => {
    test("a batch that is given up gives each item up", async (t) => {
      const c = await Connection.open(t, protocol);
      const session = await c.session();
      const other = await c.session();
      const id = c.send({ case: "batch", value: { items: [
        eval_(session, "while True: pass"), eval_(session, "1"), eval_(other, "2")] } });
      for (;;) {
        const { executions } = await c.ask("list", { session });
        if (executions.some((one) => one.state === 2)) break;
      }
      c.send({ case: "abandon", value: {} }, { id });
      const { results } = (await c.receive(id)).value;
      assert.equal(results[0].verdict.outcome.value.kind, ErrorKind.CANCELLED);
      assert.equal(results.length, 3);
    });
  });
}
