// SPDX-License-Identifier: Apache-2.0
// Web applications, by a client that was generated.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AppAccess, AppKind, AppService, AppState } from "./gen/vivarium/v1/app_pb.js";
import { ErrorKind } from "./gen/vivarium/v1/common_pb.js";
import { detailOf, kinds, url } from "./clients.mjs";

const failure = (promise) => promise.then(() => assert.fail("no error"), (error) => error);
const text = (bytes) => new TextDecoder().decode(bytes);
const source = `
async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/fail":
        1 / 0
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 201, "headers": [(b"x-caf\\xc3\\xa9"[:1], b"caf\\xe9")]})
    for part in (scope["method"].encode(), b"|", scope["query_string"], b"|"):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": body})
`;

for (const { name, options } of kinds.slice(0, 4)) {
  suite(name, () => {
    const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1", ...options });
    const apps = createClient(AppService, transport);
    const request = { method: "put", path: "/x?a=%20", body: new Uint8Array([0, 255]) };

    test("an application is booted, asked and closed", async () => {
      const { app } = await apps.bootApp({ name: "node", code: { case: "source", value: source },
        access: AppAccess.PUBLIC, limits: { concurrentRequests: 7 } });
      assert.deepEqual([app.kind, app.state, app.access, app.limits.concurrentRequests],
        [AppKind.ASGI, AppState.READY, AppAccess.PUBLIC, 7]);
      const { response, verdict, executionId } = await apps.handle({ app: "node", request });
      assert.deepEqual([response.status, response.headers[0].value], [201, "café"]);
      assert.deepEqual([...response.body], [...new TextEncoder().encode("PUT|a=%20|"), 0, 255]);
      assert.ok(verdict.usage.wallUs > 0n && executionId.startsWith("exe_"));
      const parts = [];
      for await (const { part } of apps.handleStream({ app: app.id, request }))
        parts.push(part);
      assert.deepEqual([parts[0].case, parts[0].value.status, parts.at(-1).case], ["head", 201, "verdict"]);
      assert.equal(text(Buffer.concat(parts.slice(1, -1).map((one) => one.value)).subarray(0, 10)), "PUT|a=%20|");
      const failed = await apps.handle({ app: app.id, request: { path: "/fail" } });
      assert.equal(failed.response.status, 500);
      assert.equal(failed.verdict.outcome.value.type, "ZeroDivisionError");
      const told = await apps.getApp({ app: "node" });
      assert.deepEqual([told.app.requests, told.app.failures, told.app.recentFailures.length], [3n, 1n, 1]);
      assert.deepEqual((await apps.listApps({})).apps.map((one) => one.id), [app.id]);
      await apps.closeApp({ app: "node" });
      const error = await failure(apps.handle({ app: "node" }));
      assert.deepEqual([error.code, detailOf(error).kind], [Code.NotFound, ErrorKind.ROUTE_NOT_FOUND]);
    });

    test("one request without any state", async () => {
      const { response, verdict } = await apps.invoke({ source, request });
      assert.deepEqual([response.status, verdict.outcome.case], [201, "result"]);
      const error = await failure(apps.bootApp({ code: { case: "source", value: "1 / 0" } }));
      assert.equal(error.code, Code.FailedPrecondition);
    });
  });
}
