// SPDX-License-Identifier: Apache-2.0
// Keys as clients generated for Connect send them: a header, added by an interceptor.
import assert from "node:assert/strict";
import test from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import WebSocket from "ws";
import { clientsOf, detailOf, kinds, makeSession, url } from "./clients.mjs";

const key = process.env.VIVARIUM_API_KEY;

/** Adds the key to every request, streams included. */
function keyed(value = key) {
  return [(next) => (request) => {
    request.header.set("authorization", `Bearer ${value}`);
    return next(request);
  }];
}

async function codeOf(promise) {
  try {
    await promise;
  } catch (error) {
    return ConnectError.from(error).code;
  }
  return undefined;
}

for (const { name, options } of kinds) {
  test(`a key opens every method: ${name}`, async (t) => {
    const { executions, sessions } = clientsOf({ ...options, interceptors: keyed() });
    const session = await makeSession(t, sessions);
    const { verdict } = await executions.eval({ session: session.id, source: "6 * 7" });
    assert.equal(verdict.outcome.case, "result");
    const { sessions: listed } = await sessions.listSessions({});
    assert.ok(listed.some(({ id }) => id === session.id));
  });

  test(`without one nothing opens: ${name}`, async () => {
    for (const interceptors of [[], keyed("viv_none_none"), keyed(`${key}x`)]) {
      const { executions, sessions } = clientsOf({ ...options, interceptors });
      assert.equal(await codeOf(executions.eval({ source: "1" })), Code.Unauthenticated);
      assert.equal(await codeOf(sessions.listSessions({})), Code.Unauthenticated);
      const follow = async () => {
        for await (const each of executions.follow({ executionId: "exe_none" })) assert.fail(each);
      };
      assert.equal(await codeOf(follow()), Code.Unauthenticated);
    }
  });
}

test("a quota is told with its figures", async (t) => {
  const { executions, sessions } = clientsOf({ ...kinds[0].options, interceptors: keyed() });
  const session = await makeSession(t, sessions);
  await executions.start({
    eval: { session: session.id, source: "import time; time.sleep(60)" },
  });
  const error = await executions.eval({ session: session.id, source: "1" }).then(
    () => assert.fail("it was taken"),
    ConnectError.from,
  );
  assert.equal(error.code, Code.ResourceExhausted);
  const { quota } = detailOf(error);
  assert.deepEqual([quota.name, quota.current, quota.maximum], ["executions", 1n, 1n]);
  assert.ok(quota.retryAfterMs > 0n);
  assert.ok(Number(error.metadata.get("retry-after")) >= 1);
});

test("a WebSocket shows its key in the handshake", async () => {
  const address = `${url.replace("http", "ws")}/v1/ws`;
  const refused = new WebSocket(address, "vivarium.v1.json");
  const status = await new Promise((resolve) => {
    refused.on("unexpected-response", (_, answer) => resolve(answer.statusCode));
    refused.on("error", () => {});
  });
  assert.equal(status, 401);
  refused.terminate();
  const taken = new WebSocket(address, "vivarium.v1.json", {
    headers: { authorization: `Bearer ${key}` },
  });
  taken.on("open", () => taken.send(JSON.stringify({ id: "1", eval: { source: "6 * 7" } })));
  const answer = await new Promise((resolve) => taken.on("message", resolve));
  assert.equal(JSON.parse(answer).eval.verdict.result.json, 42);
  taken.close();
});
