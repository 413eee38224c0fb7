// SPDX-License-Identifier: Apache-2.0
// The WebSocket face, driven by the `ws` package in both subprotocols.
import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test } from "node:test";
import WebSocket from "ws";
import { ErrorKind } from "./gen/vivarium/v1/common_pb.js";
import { ResultFormat } from "./gen/vivarium/v1/execution_pb.js";
import { socket } from "./clients.mjs";
import { Connection, address, codecs } from "./connection.mjs";

const endless = { source: "while True: pass" };

for (const protocol of Object.keys(codecs)) {
  suite(protocol, () => {
    test("every request has an answer under its number", async (t) => {
      const c = await Connection.open(t, protocol);
      const session = await c.session();
      const { verdict } = await c.ask("eval", { session, source: "6 * 7", resultFormat: ResultFormat.REPR });
      assert.equal(verdict.outcome.value.form.value, "42");
      const { executionId } = await c.ask("start", { eval: { session, ...endless } });
      assert.equal((await c.ask("wait", { executionId })).done, false);
      assert.ok((await c.ask("list", { session })).executions.length >= 2);
      assert.equal((await c.ask("cancel", { executionId })).cancelled, true);
      assert.equal((await c.ask("wait", { executionId, timeoutMs: 30_000n })).done, true);
      assert.equal((await c.ask("getSession", { session })).session.id, session);
      assert.ok((await c.ask("listSessions", {})).sessions.some((one) => one.id === session));
      assert.match((await c.ask("compile", { source: "1" })).code, /./);
    });

    test("requests are multiplexed: a quick one overtakes a slow one", async (t) => {
      const c = await Connection.open(t, protocol);
      const [slow, quick] = [await c.session(), await c.session()];
      const first = c.send({ case: "eval", value: { session: slow, ...endless, timeoutMs: 60_000n } });
      const ids = [];
      for (let i = 0; i < 50; ++i)
        ids.push(c.send({ case: "eval", value: { session: quick, source: `${i}`, resultFormat: ResultFormat.REPR } }));
      for (const [i, id] of ids.entries())
        assert.equal((await c.receive(id)).value.verdict.outcome.value.form.value, `${i}`);
      assert.equal(c.box(first).length, 0);
      c.send({ case: "abandon", value: {} }, { id: first });
      const end = await c.receive(first);
      if (end.case === "error") assert.equal(end.value.detail.kind, ErrorKind.CANCELLED);
      else assert.equal(end.value.verdict.outcome.value.kind, ErrorKind.CANCELLED);
    });

    test("a stream sends no more than its credit", async (t) => {
      const c = await Connection.open(t, protocol);
      const session = await c.session();
      const { executionId } = await c.ask("start", { eval: { session, source:
        "for i in range(50):\n  print(i, flush=True)" } });
      await c.ask("wait", { executionId, timeoutMs: 30_000n });
      const id = c.send({ case: "follow", value: { executionId } }, { credit: 2 });
      const events = [await c.receive(id), await c.receive(id)];
      // Whatever is answered now has overtaken items that nobody allowed.
      await c.ask("listSessions", {});
      assert.equal(c.box(id).length, 0);
      c.send({ case: "moreCredit", value: 1000 }, { id });
      for (;;) {
        const frame = await c.receive(id);
        if (frame.case === "end") break;
        events.push(frame);
      }
      assert.equal(events.at(-1).value.event.kind.case, "verdict");
      assert.deepEqual(events.map((e) => e.value.event.sequence), events.map((_, i) => BigInt(i + 1)));
    });

    test("a stream can be given up", async (t) => {
      const c = await Connection.open(t, protocol);
      const session = await c.session();
      const { executionId } = await c.ask("start", { eval: { session, ...endless } });
      const id = c.send({ case: "follow", value: { executionId } });
      assert.equal((await c.receive(id)).value.event.kind.case, "started");
      c.send({ case: "abandon", value: {} }, { id });
      assert.ok(["end", "error"].includes((await c.receive(id)).case));
      assert.equal((await c.ask("wait", { executionId })).done, false);
      await c.ask("cancel", { executionId });
    });

    test("errors name code, kind and request", async (t) => {
      const c = await Connection.open(t, protocol);
      const error = await c.ask("eval", { session: "nobody", source: "1" }).then(
        () => assert.fail("no error"), (e) => e);
      assert.equal(error.code, "not_found");
      assert.equal(error.detail.kind, ErrorKind.NOT_FOUND);
      assert.notEqual(error.detail.requestId, "");
      await assert.rejects(c.ask("follow", { executionId: "nothing" }), /./);
    });

    test("a number in use is refused, and the first request lives on", async (t) => {
      const c = await Connection.open(t, protocol);
      const session = await c.session();
      const id = c.send({ case: "eval", value: { session, ...endless } });
      c.send({ case: "listSessions", value: {} }, { id });
      const refusal = await c.receive(id);
      assert.equal(refusal.case, "error");
      assert.equal(refusal.value.code, "already_exists");
    });

    test("rubbish is refused by an error or a close, never by silence", async (t) => {
      for (const data of [Buffer.from([0xff, 0xff, 0xff]), "{", "{}", "[]", Buffer.alloc(0),
                          "[".repeat(100_000), Buffer.from([0x08])]) {
        const c = await Connection.open(t, protocol);
        const heard = Promise.race([once(c.ws, "message"), once(c.ws, "close")]);
        c.ws.send(data);
        await heard;
      }
    });

    test("a message over the limit is answered, and the connection lives on", async (t) => {
      const c = await Connection.open(t, protocol);
      const id = c.send({ case: "eval", value: { source: "x".repeat(70 << 20) } });
      const refusal = await c.receive(id);
      assert.equal(refusal.case, "error");
      assert.equal(refusal.value.code, "resource_exhausted");
      assert.match(refusal.value.message, /7340\d+ bytes; the maximum is 67108864 \(server.frame_bytes\)/);
      const next = await c.receive(c.send({ case: "listSessions", value: {} }));
      assert.equal(next.case, "listSessions");
    });

    test("pings are answered", async (t) => {
      const c = await Connection.open(t, protocol);
      c.ws.ping("are you there");
      const [data] = await once(c.ws, "pong");
      assert.equal(data.toString(), "are you there");
    });

    test("what a connection leaves behind ends by its policy", async (t) => {
      const c = await Connection.open(t, protocol);
      const session = await c.session();
      const other = await Connection.open(t, protocol);
      other.send({ case: "eval", value: { session, ...endless, onDisconnect: 2 } });
      // Once it runs, the connection goes without a word.
      for (;;) {
        const { executions } = await c.ask("list", { session });
        if (executions.at(-1)?.state === 2) break;
      }
      other.ws.terminate();
      const { verdict } = await c.ask("eval", { session, source: "1", resultFormat: ResultFormat.REPR });
      assert.equal(verdict.outcome.value.form.value, "1");
    });

    test("it works over the Unix socket", async (t) => {
      const c = await Connection.open(t, protocol, `ws+unix://${socket}:/v1/ws`);
      const { verdict } = await c.ask("eval", { source: "1+1", resultFormat: ResultFormat.REPR });
      assert.equal(verdict.outcome.value.form.value, "2");
    });
  });
}

suite("opening", () => {
  const refused = async (protocols, options) => {
    const ws = new WebSocket(address, protocols, options);
    ws.on("error", () => {});
    const [, response] = await once(ws, "unexpected-response");
    response.resume();
    ws.terminate();
    return response.statusCode;
  };

  test("only subprotocols of ours are spoken", async () => {
    assert.equal(await refused(["graphql-ws"]), 400);
  });

  test("without a subprotocol it is JSON, for those who type by hand", async () => {
    const ws = new WebSocket(address);
    await once(ws, "open");
    ws.send('{"id":"7","eval":{"source":"6 * 7"}}');
    const [data, binary] = await once(ws, "message");
    assert.ok(!binary);
    const answer = JSON.parse(data);
    assert.equal(answer.id, "7");
    assert.deepEqual(answer.eval.verdict.result, { json: 42 });
    ws.close();
    await once(ws, "close");
  });

  test("versions are agreed upon", async () => {
    for (const [target, headers] of [[address, { "Vivarium-Version": "1-3" }],
                                     [`${address}?versions=1`, {}]]) {
      const ws = new WebSocket(target, ["vivarium.v1.json"], { headers });
      const [response] = await once(ws, "upgrade");
      assert.equal(response.headers["vivarium-version"], "1");
      ws.close();
      await once(ws, "close");
    }
    assert.equal(await refused(["vivarium.v1.json"], { headers: { "Vivarium-Version": "2-9" } }), 400);
  });

  test("pages of other origins are refused", async () => {
    assert.equal(await refused(["vivarium.v1.json"], { origin: "https://evil.example" }), 403);
  });

  test("names of others are refused", async () => {
    assert.equal(await refused(["vivarium.v1.json"], { headers: { host: "evil.example" } }), 403);
  });
});
