// SPDX-License-Identifier: Apache-2.0
// Unary calls by a client generated from our .proto.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorKind } from "./gen/vivarium/v1/common_pb.js";
import { ExecutionInfo_State, ResultFormat, SessionOutcome } from "./gen/vivarium/v1/execution_pb.js";
import { SessionState } from "./gen/vivarium/v1/session_pb.js";
import { clientsOf, detailOf, kinds, makeSession } from "./clients.mjs";

for (const { name, options } of kinds) {
  suite(name, () => {
    const { executions, sessions } = clientsOf(options);
    const binary = options.useBinaryFormat;

    test("eval answers with a typed value or natural JSON, by the codec", async () => {
      const { verdict, executionId, sessionId } = await executions.eval({ source: "[1, 'a', None]" });
      assert.match(executionId, /^exe_/);
      assert.equal(sessionId, "");
      assert.equal(verdict.session, SessionOutcome.KEPT);
      const { case: outcome, value: result } = verdict.outcome;
      assert.equal(outcome, "result");
      if (binary) {
        assert.equal(result.form.case, "value");
        const items = result.form.value.kind.value.items;
        assert.equal(items[0].kind.value, 1n);
        assert.equal(items[1].kind.value, "a");
        assert.equal(items[2].kind.case, "none");
      } else {
        assert.equal(result.form.case, "json");
        const items = result.form.value.kind.value.values;
        assert.equal(items[0].kind.value, 1);
      }
    });

    test("every plain value keeps its type", async () => {
      const source = "(None, True, -2**63, 2**70, -2**70, 1.5, float('inf'), 'ä', b'\\0\\xff', "
        + "[1], (1,), {'a': 1, 2: 'b'}, {7})";
      const { verdict } = await executions.eval({ source, resultFormat: ResultFormat.TYPED });
      const items = verdict.outcome.value.form.value.kind.value.items.map((item) => item.kind);
      assert.deepEqual(items.map((kind) => kind.case), [
        "none", "boolean", "integer", "bigInteger", "bigInteger", "real", "real", "text", "blob",
        "list", "tuple", "dict", "set"]);
      assert.equal(items[2].value, -(2n ** 63n));
      assert.equal(littleEndian(items[3].value), 2n ** 70n);
      assert.equal(littleEndian(items[4].value), -(2n ** 70n));
      assert.equal(items[6].value, Infinity);
      assert.deepEqual([...items[8].value], [0, 255]);
      assert.deepEqual(items[11].value.entries.map((entry) => entry.key.kind.value), ["a", 2n]);
    });

    test("a session keeps state and ends", async (t) => {
      const session = await makeSession(t, sessions, { name: `s-${kinds.findIndex((k) => k.name === name)}` });
      await executions.eval({ session: session.name, source: "x = 20" });
      const { verdict } = await executions.eval({
        session: session.id, source: "x + 1", resultFormat: ResultFormat.REPR });
      assert.deepEqual(verdict.outcome.value.form, { case: "repr", value: "21" });
      const found = await sessions.getSession({ session: session.name });
      assert.equal(found.session.state, SessionState.READY);
      assert.equal(found.session.executions, 2n);
      const listed = await sessions.listSessions({});
      assert.ok(listed.sessions.some((one) => one.id === session.id));
      await sessions.closeSession({ session: session.id });
      const dead = await sessions.getSession({ session: session.id });
      assert.equal(dead.session.state, SessionState.DEAD);
    });

    test("start, wait, list and cancel", async (t) => {
      const session = await makeSession(t, sessions);
      const started = await executions.start({
        eval: { session: session.id, source: "print('on')\nwhile True: pass" } });
      assert.equal(started.sessionId, session.id);
      const early = await executions.wait({ executionId: started.executionId });
      assert.equal(early.done, false);
      const { executions: listed } = await executions.list({ session: session.id });
      assert.equal(listed.at(-1).id, started.executionId);
      assert.notEqual(listed.at(-1).state, ExecutionInfo_State.DONE);
      assert.equal((await executions.cancel({ executionId: started.executionId })).cancelled, true);
      const late = await executions.wait({ executionId: started.executionId, timeoutMs: 30_000n });
      assert.equal(late.done, true);
      assert.equal(late.verdict.outcome.value.kind, ErrorKind.CANCELLED);
    });

    test("compile gives a handle or says what is wrong", async () => {
      const { code } = await executions.compile({ source: "6 * 7", filename: "answer.py" });
      const { verdict } = await executions.eval({ code, resultFormat: ResultFormat.REPR });
      assert.equal(verdict.outcome.value.form.value, "42");
      const { error } = await executions.compile({ source: "6 *" });
      assert.equal(error.kind, ErrorKind.SYNTAX);
    });

    test("a failed execution is an answer", async () => {
      const { verdict } = await executions.eval({ source: "print('x')\n1/0" });
      assert.equal(verdict.stdout, "x\n");
      assert.equal(verdict.outcome.value.type, "ZeroDivisionError");
      assert.equal(verdict.outcome.value.frames[0].line, 2);
    });

    test("errors have a code, a message and a detail", async () => {
      const cases = [
        [() => executions.eval({ session: "nobody", source: "1" }), Code.NotFound, ErrorKind.NOT_FOUND],
        [() => sessions.getSession({ session: "nobody" }), Code.NotFound, ErrorKind.NOT_FOUND],
        [() => executions.list({ session: "nobody" }), Code.NotFound, ErrorKind.NOT_FOUND],
        [() => sessions.createSession({ name: "No!" }), Code.InvalidArgument, ErrorKind.INVALID_ARGUMENT],
      ];
      for (const [call, code, kind] of cases) {
        const error = await call().then(() => assert.fail("no error"), (e) => e);
        assert.ok(error instanceof ConnectError, error);
        assert.equal(error.code, code, error);
        assert.notEqual(error.rawMessage, "");
        assert.equal(detailOf(error).kind, kind);
        assert.notEqual(detailOf(error).requestId, "");
      }
    });

    test("the client's timeout is the daemon's deadline", async () => {
      const error = await executions.eval({ source: "while True: pass" }, { timeoutMs: 200 })
        .then(() => assert.fail("no error"), (e) => e);
      assert.equal(error.code, Code.DeadlineExceeded);
    });

    test("a call that is aborted ends its one-shot", async () => {
      const abort = new AbortController();
      const call = executions.eval({ source: "while True: pass" }, { signal: abort.signal });
      setImmediate(() => abort.abort());
      const error = await call.then(() => assert.fail("no error"), (e) => e);
      assert.equal(error.code, Code.Canceled);
    });

    test("a megabyte there and back", async () => {
      const text = "ä".repeat(500_000);
      const { verdict } = await executions.eval({
        source: `'${text}'`, resultFormat: ResultFormat.JSON });
      assert.equal(verdict.outcome.value.form.value.kind.value, text);
    });
  });
}

for (const useBinaryFormat of [true, false]) {
  suite(useBinaryFormat ? "large, binary" : "large, json", () => {
    test("a body over the limit is an error, and the client goes on", async () => {
      const { executions } = clientsOf({ useBinaryFormat });
      const source = "x".repeat(65 << 20);
      const stream = async () => {
        const answers = executions.stream({ what: { case: "eval", value: { source } } });
        for await (const answer of answers) assert.fail(answer);
      };
      for (const call of [() => executions.eval({ source }), stream]) {
        const error = await call().then(() => assert.fail("no error"), (e) => e);
        assert.equal(error.code, Code.ResourceExhausted, error);
        assert.match(error.rawMessage, /the maximum is 67108864 \(server.body_bytes\)/);
        assert.equal(detailOf(error).kind, ErrorKind.LIMIT);
      }
      const { verdict } = await executions.eval({ source: "6*7", resultFormat: ResultFormat.REPR });
      assert.equal(verdict.outcome.value.form.value, "42");
    });
  });
}

function littleEndian(bytes) {
  let value = 0n;
  for (const byte of [...bytes].reverse()) value = (value << 8n) | BigInt(byte);
  return BigInt.asIntN(bytes.length * 8, value);
}
