// SPDX-License-Identifier: Apache-2.0
// Clients of every kind that connect-node can be, and what the test files share.
import { createClient } from "@connectrpc/connect";
import { compressionGzip, createConnectTransport } from "@connectrpc/connect-node";
import { fromBinary } from "@bufbuild/protobuf";
import { ErrorDetailSchema } from "./gen/vivarium/v1/common_pb.js";
import { ExecutionService } from "./gen/vivarium/v1/execution_pb.js";
import { HostService } from "./gen/vivarium/v1/host_pb.js";
import { SessionService } from "./gen/vivarium/v1/session_pb.js";

export const url = process.env.VIVARIUM_URL;
export const socket = process.env.VIVARIUM_SOCKET;

/** Every combination of codec, compression, GET and transport that matters. */
export const kinds = [
  { name: "binary", options: { useBinaryFormat: true } },
  { name: "json", options: { useBinaryFormat: false } },
  { name: "binary, gzip", options: { useBinaryFormat: true, ...gzip() } },
  { name: "json, gzip", options: { useBinaryFormat: false, ...gzip() } },
  { name: "binary, GET", options: { useBinaryFormat: true, useHttpGet: true } },
  { name: "json, GET", options: { useBinaryFormat: false, useHttpGet: true } },
  { name: "json, gzip, GET", options: { useBinaryFormat: false, useHttpGet: true, ...gzip() } },
  {
    name: "binary, Unix socket",
    options: { useBinaryFormat: true, nodeOptions: { socketPath: socket } },
  },
];

function gzip() {
  return {
    acceptCompression: [compressionGzip],
    sendCompression: compressionGzip,
    compressMinBytes: 0,
  };
}

/** Returns clients of all services over one transport. */
export function clientsOf(options) {
  const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1", ...options });
  return {
    executions: createClient(ExecutionService, transport),
    hosts: createClient(HostService, transport),
    sessions: createClient(SessionService, transport),
  };
}

/** Returns the detail that every error carries. */
export function detailOf(error) {
  const [detail] = error.findDetails(ErrorDetailSchema);
  return detail;
}

/** Makes a session that is closed when the test ends. */
export async function makeSession(test, sessions, request = {}) {
  const { session } = await sessions.createSession(request);
  test.after(async () => {
    try {
      await sessions.closeSession({ session: session.id });
    } catch {
      // The test may have ended it.
    }
  });
  return session;
}

export { fromBinary };
