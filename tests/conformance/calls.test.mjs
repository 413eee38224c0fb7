// SPDX-License-Identifier: Apache-2.0
// Calls without source, refs, and questions to an interpreter.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { ErrorKind } from "./gen/vivarium/v1/common_pb.js";
import { Operation, ResultFormat } from "./gen/vivarium/v1/execution_pb.js";
import { clientsOf, detailOf, kinds, makeSession } from "./clients.mjs";
import { Connection, codecs } from "./connection.mjs";
import { natural, resultOf, value } from "./values.mjs";

const options = { resultFormat: ResultFormat.TYPED };
const module = (name) => ({ kind: { case: "module", value: name } });
const variable = (name) => ({ kind: { case: "variable", value: name } });
const ref = (one) => ({ kind: { case: "ref", value: { id: one.id } } });
const failure = (promise) => promise.then(() => assert.fail("no error"), (e) => e);

for (const { name, options: transport } of kinds.slice(0, 3)) {
  suite(name, () => {
    const { executions, sessions } = clientsOf(transport);
    const verdictOf = async (request) => (await executions.call({ options, ...request })).verdict;
    const call = async (request) => resultOf(await verdictOf(request));

    test("functions of modules, with arguments of both forms", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      assert.equal(await call({ session, target: module("builtins"), name: "max",
        args: [value(3n), value(5n)] }), 5n);
      assert.equal(await call({ session, target: module("os.path"), name: "join",
        jsonArgs: natural(["a", "b"]) }), "a/b");
      assert.deepEqual(await call({ session, target: module("builtins"), name: "sorted",
        jsonArgs: natural([[1, 3, 2]]), jsonKwargs: { reverse: true } }), [3n, 2n, 1n]);
      assert.deepEqual(await call({ session, target: module("builtins"), name: "dict",
        kwargs: { a: value("b") } }), { a: "b" });
      assert.equal(await call({ target: module("math"), name: "factorial", args: [value(5n)] }), 120n);
    });

    test("what is not there is Python's own error", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      for (const [request, type] of [
        [{ target: module("no_such_module"), name: "f" }, "ModuleNotFoundError"],
        [{ target: module("math"), name: "nothing" }, "AttributeError"],
        [{ target: variable("nobody") }, "NameError"]]) {
        const { outcome } = await verdictOf({ session, ...request });
        assert.equal(outcome.case, "error");
        assert.equal(outcome.value.type, type);
      }
    });

    test("every operation does what its operator does", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      await executions.eval({ session, source: "import types\nd = {'a': [1, 2]}\n"
        + "n = types.SimpleNamespace(x=1)\nclass C:\n  def __enter__(self): return 'in'\n"
        + "  def __exit__(self, *a): global left; left = True\nc = C()" });
      const on = (target, operation, args = [], more = "") =>
        call({ session, target: variable(target), operation, args: args.map(value), name: more });
      assert.deepEqual(await on("d", Operation.GET_ITEM, ["a"]), [1n, 2n]);
      await on("d", Operation.SET_ITEM, ["b", 5n]);
      assert.equal(await on("d", Operation.LEN), 2n);
      await on("d", Operation.DELETE_ITEM, ["b"]);
      assert.equal(await on("d", Operation.CONTAINS, ["b"]), false);
      assert.equal(await on("d", Operation.BOOL), true);
      assert.equal(await on("d", Operation.REPR), "{'a': [1, 2]}");
      assert.equal(await on("d", Operation.STR), "{'a': [1, 2]}");
      assert.ok((await on("d", Operation.DIR)).includes("keys"));
      await on("n", Operation.SET, [7n], "x");
      assert.equal(await on("n", Operation.GET, [], "x"), 7n);
      await on("n", Operation.DELETE, [], "x");
      assert.equal(resultOf((await executions.eval({ session, source: "hasattr(n, 'x')", ...options }))
        .verdict), false);
      assert.equal(typeof (await call({ session, target: { kind: { case: "value", value: value(5n) } },
        operation: Operation.HASH })), "bigint");
      const items = await on("d", Operation.ITER);
      assert.match(items.id, /^ref_/);
      assert.deepEqual(await call({ session, target: ref(items), operation: Operation.TAKE,
        args: [value(9n)] }), ["a"]);
      assert.equal(await on("c", Operation.ENTER), "in");
      await on("c", Operation.EXIT);
      assert.equal(resultOf((await executions.eval({ session, source: "left", ...options })).verdict), true);
    });

    test("refs keep identity, and say how they ended", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      const source = "class Thing:\n  def double(self, n): return 2 * n\nt = Thing()\n";
      const result = (await executions.eval({ session, source: `${source}[t, {'k': t}, 5]`, ...options })).verdict;
      const [one, { k: two }, five] = resultOf(result);
      assert.equal(one.id, two.id);
      assert.match(one.typeName, /Thing/);
      assert.equal(five, 5n);
      assert.equal(await call({ session, target: ref(one), name: "double", args: [value(21n)] }), 42n);
      assert.equal(await call({ session, target: module("operator"), name: "is_",
        args: [{ kind: { case: "ref", value: { id: one.id } } }, { kind: { case: "ref", value: { id: two.id } } }] }),
        true);
      assert.equal((await sessions.releaseRefs({ session, refs: [one.id, "ref_nothing"] })).released, 1n);
      const codeOf = async (id, where = session) => (await verdictOf({ session: where,
        target: ref({ id }), operation: Operation.REPR })).outcome.value;
      const released = await codeOf(one.id);
      assert.equal(released.code, "ref_released");
      assert.equal(released.kind, ErrorKind.NOT_FOUND);
      assert.equal((await codeOf("ref_nothing")).code, "ref_unknown");
      const [other] = resultOf((await executions.eval({ session, source: "[Thing()]", ...options })).verdict);
      const { id: elsewhere } = await makeSession(t, sessions);
      assert.equal((await codeOf(other.id, elsewhere)).code, "ref_of_other_session");
    });

    test("what has no form is a ref, a repr or an error, as is wanted", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      const eval_ = async (unserializable) => (await executions.eval({ session, source: "{'a': [object()]}",
        ...options, valueOptions: { unserializable } })).verdict;
      assert.match(resultOf(await eval_(2)).a[0].id, /^ref_/);
      assert.match(resultOf(await eval_(3)).a[0].repr, /^<object/);
      const error = (await eval_(1)).outcome.value;
      assert.equal(error.kind, ErrorKind.VALUE);
      assert.equal(error.code, "unserializable");
      assert.match(error.message, /\['a'\]\[0\]/);
    });

    test("the interpreter is asked about itself", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      await executions.eval({ session, source: "x = [1, 2]\nimport sys\n_ = object()" });
      const { variables } = await sessions.listVariables({ session });
      const x = variables.find((one) => one.name === "x");
      assert.equal(x.typeName, "list");
      assert.equal(x.length, 2n);
      assert.equal(x.repr, "[1, 2]");
      assert.ok(x.sizeBytes > 0n);
      assert.equal(variables.find((one) => one.name === "sys"), undefined);
      const about = await sessions.getInterpreter({ session });
      assert.match(about.version, /^3\./);
      assert.equal(about.implementation, "cpython");
      assert.ok(about.path.length > 0);
      await executions.eval({ session, source: "a = []\na.append(a)\ndel a" });
      assert.ok((await sessions.collectGarbage({ session })).collected > 0n);
      assert.equal((await sessions.setTracemalloc({ session, enabled: true })).wasEnabled, false);
      const stats = await sessions.getMemoryStats({ session });
      assert.equal(stats.generations.length, 3);
      assert.ok(stats.tracing);
      assert.ok(stats.residentBytes > 0n);
      assert.ok(stats.peakResidentBytes >= stats.residentBytes);
      assert.equal((await sessions.setTracemalloc({ session, enabled: false })).wasEnabled, true);
      const error = await failure(sessions.listVariables({ session, namespace: "nobody" }));
      assert.equal(error.code, Code.NotFound);
      assert.equal(detailOf(error).kind, ErrorKind.NOT_FOUND);
    });

    test("requests that cannot be right are refused", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      for (const request of [
        { session }, { session, target: module("math") },
        { session, target: variable("x"), operation: Operation.LEN, args: [value(1n)] },
        { session, target: variable("x"), args: [value(1n)], jsonArgs: natural([1]) },
        { session, target: variable("x"), args: [{}] }])
        assert.equal((await failure(executions.call(request))).code, Code.InvalidArgument);
    });
  });
}

for (const protocol of Object.keys(codecs)) {
  suite(protocol, () => {
    test("refs end with the connection that they belong to", async (t) => {
      const stays = await Connection.open(t, protocol);
      const session = await stays.session();
      const goes = await Connection.open(t, protocol);
      await goes.ask("setDefaults", { session, options: { ...options, valueOptions: { refLifetime: 2 } } });
      await goes.ask("eval", { source: "class C:\n  def __enter__(self): return self\n"
        + "  def __exit__(self, *a): global left; left = True\nc = C()" });
      const mine = resultOf((await goes.ask("eval", { source: "c" })).verdict);
      await goes.ask("call", { target: ref(mine), operation: Operation.ENTER });
      await goes.close();
      const request = { session, target: ref(mine), operation: Operation.REPR, options };
      for (;;) {
        const { outcome } = (await stays.ask("call", request)).verdict;
        if (outcome.case === "result") continue;
        assert.equal(outcome.value.code, "ref_released");
        break;
      }
      assert.equal(resultOf((await stays.ask("eval", { session, source: "left", ...options })).verdict), true);
    });
  });
}
