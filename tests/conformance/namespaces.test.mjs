// SPDX-License-Identifier: Apache-2.0
// Namespaces, variables, what sessions begin with, and what belongs to a connection.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { ErrorKind, Lifetime } from "./gen/vivarium/v1/common_pb.js";
import { ExecutionErrorSchema, ResultFormat } from "./gen/vivarium/v1/execution_pb.js";
import { SessionState } from "./gen/vivarium/v1/session_pb.js";
import { clientsOf, detailOf, kinds, makeSession } from "./clients.mjs";
import { Connection, codecs } from "./connection.mjs";
import { resultOf, value } from "./values.mjs";

const typed = { resultFormat: ResultFormat.TYPED };
const failure = (promise) => promise.then(() => assert.fail("no error"), (e) => e);

for (const { name, options } of kinds.slice(0, 3)) {
  suite(name, () => {
    const { executions, sessions } = clientsOf(options);
    const run = async (session, source, more = {}) =>
      resultOf((await executions.eval({ session, source, ...typed, ...more })).verdict);

    test("namespaces do not see each other", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      const { namespace: a } = await sessions.createNamespace({ session, name: "a",
        variables: { x: value(1n) } });
      const { namespace: b } = await sessions.createNamespace({ session, jsonVariables: { x: 2 } });
      assert.equal(a.name, "a");
      assert.equal(a.sessionId, session);
      assert.equal(await run(session, "x", { namespace: "a" }), 1n);
      assert.equal(await run(session, "x", { namespace: b.id }), 2n);
      assert.equal(await run(session, "'x' in globals()"), false);
      const { namespaces } = await sessions.listNamespaces({ session });
      assert.deepEqual(namespaces.map((one) => one.id), [a.id, b.id]);
      assert.equal((await sessions.getSession({ session })).session.namespaces, 2n);
    });

    test("names are copied, later sources first in rank, variables on top", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      for (const [namespace, source] of [["a", "x = 1; y = [1]; z = 1"], ["b", "x = 2; w = 2"]]) {
        await sessions.createNamespace({ session, name: namespace });
        await executions.eval({ session, namespace, source });
      }
      await sessions.createNamespace({ session, name: "c", variables: { v: value("v") }, from: [
        { namespace: "a", except: { names: ["z"] } }, { namespace: "b", only: { names: ["x"] } }] });
      assert.deepEqual(await run(session,
        "sorted(n for n in globals() if not n.startswith('__'))", { namespace: "c" }), ["v", "x", "y"]);
      assert.equal(await run(session, "x", { namespace: "c" }), 2n);
      await run(session, "y.append(2)", { namespace: "c" }); // Shallow by design.
      assert.deepEqual(await run(session, "y", { namespace: "a" }), [1n, 2n]);
      await sessions.createNamespace({ session, name: "d", from: [{ namespace: "a", only: {} }] });
      assert.deepEqual(await run(session,
        "[n for n in globals() if not n.startswith('__')]", { namespace: "d" }), []);
      const missing = await failure(sessions.createNamespace({ session,
        from: [{ namespace: "a", only: { names: ["nobody"] } }] }));
      assert.equal(missing.code, Code.NotFound);
      assert.equal(detailOf(missing).code, "name_not_found");
    });

    test("destroying twice is no error, using afterwards is one", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      const { namespace } = await sessions.createNamespace({ session, name: "n" });
      await sessions.destroyNamespace({ session, namespace: "n" });
      await sessions.destroyNamespace({ session, namespace: namespace.id });
      const error = await failure(executions.eval({ session, namespace: "n", source: "1" }));
      assert.equal(error.code, Code.NotFound);
      assert.deepEqual((await sessions.listNamespaces({ session })).namespaces, []);
      await sessions.createNamespace({ session, name: "n" });
      const taken = await failure(sessions.createNamespace({ session, name: "n" }));
      assert.equal(taken.code, Code.AlreadyExists);
    });

    test("variables are bound and stay, scratch leaves nothing", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      assert.equal(await run(session, "a + b", { variables: { a: value(40n) },
        jsonVariables: { b: 2 } }), 42n);
      assert.equal(await run(session, "a"), 40n);
      assert.equal(await run(session, "q = 1\n'a' in globals()", { scratch: true }), false);
      assert.equal(await run(session, "'q' in globals()"), false);
    });

    test("a session begins with what its init script leaves", async (t) => {
      const { id: session } = await makeSession(t, sessions, {
        init: { source: "y = x + 1", variables: { x: value(1n) } },
        workingDirectory: "deep/down", environmentVariables: { GREETING: "hello" },
        tags: ["blue"] });
      assert.equal(await run(session, "y"), 2n);
      assert.match(await run(session, "import os; os.getcwd()"), /deep\/down$/);
      assert.equal(await run(session, "import os; os.environ['GREETING']"), "hello");
      await sessions.createNamespace({ session, name: "n" });
      assert.equal(await run(session, "y", { namespace: "n" }), 2n);
      assert.deepEqual((await sessions.getSession({ session })).session.tags, ["blue"]);
    });

    test("an init script that fails is told with its error", async () => {
      const error = await failure(sessions.createSession({ init: { source: "1/0" } }));
      const [inner] = error.findDetails(ExecutionErrorSchema);
      assert.equal(inner.type, "ZeroDivisionError");
      const late = await failure(sessions.createSession({
        init: { source: "while True: pass", timeoutMs: 200n } }));
      assert.equal(detailOf(late).kind, ErrorKind.TIMEOUT);
    });

    test("a start that nobody waits for tells later why it failed", async () => {
      const { session } = await sessions.createSession({ startAsync: true, init: { source: "1/0" } });
      for (;;) {
        const seen = (await sessions.getSession({ session: session.id })).session;
        if (seen.state !== SessionState.DEAD) continue;
        assert.match(seen.initError, /ZeroDivisionError/);
        break;
      }
    });

    test("what belongs to a connection needs one", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      for (const call of [
        () => sessions.createSession({ lifetime: Lifetime.CONNECTION }),
        () => sessions.createNamespace({ session, lifetime: Lifetime.CONNECTION }),
        () => executions.eval({ session, source: "1", valueOptions: { refLifetime: 2 } })]) {
        assert.equal((await failure(call())).code, Code.InvalidArgument);
      }
    });
  });
}

for (const protocol of Object.keys(codecs)) {
  suite(protocol, () => {
    test("sessions and namespaces end with the connection that made them", async (t) => {
      const stays = await Connection.open(t, protocol);
      const session = await stays.session();
      const goes = await Connection.open(t, protocol);
      const own = (await goes.ask("createSession", { lifetime: Lifetime.CONNECTION })).session.id;
      await goes.ask("createNamespace", { session, name: "n", lifetime: Lifetime.CONNECTION });
      await goes.ask("createNamespace", { session, name: "kept" });
      await goes.close();
      for (;;) {
        const { namespaces } = await stays.ask("listNamespaces", { session });
        const { session: seen } = await stays.ask("getSession", { session: own });
        if (namespaces.length === 1 && seen.state === SessionState.DEAD) break;
      }
    });

    test("defaults fill in what requests leave unset", async (t) => {
      const c = await Connection.open(t, protocol);
      const session = await c.session();
      await c.ask("createNamespace", { session, name: "n", jsonVariables: { x: 7 } });
      await c.ask("setDefaults", { session, namespace: "n", options: typed });
      assert.equal(resultOf((await c.ask("eval", { source: "x" })).verdict), 7n);
      const call = { target: { kind: { case: "variable", value: "x" } }, operation: 8 };
      assert.equal(resultOf((await c.ask("call", call)).verdict), "7");
      const { results } = await c.ask("batch", { items: [
        { what: { case: "eval", value: { source: "x + 1" } } }, { what: { case: "call", value: call } }] });
      assert.deepEqual(results.map((one) => resultOf(one.verdict)), [8n, "7"]);
      assert.equal(resultOf((await c.ask("eval", { session, source: "'x' in globals()" })).verdict), false);
      await c.ask("setDefaults", {});
      assert.equal((await c.ask("eval", { source: "1" })).sessionId, "");
      await assert.rejects(c.ask("setDefaults", { namespace: "n" }), { code: "invalid_argument" });
    });
  });
}
