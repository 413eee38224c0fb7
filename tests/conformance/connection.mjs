// SPDX-License-Identifier: Apache-2.0
// A WebSocket client over the `ws` package, in both subprotocols.
import assert from "node:assert/strict";
import { once } from "node:events";
import { create, fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import WebSocket from "ws";
import { ClientFrameSchema, ServerFrameSchema } from "./gen/vivarium/v1/connection_pb.js";
import { url } from "./clients.mjs";

export const codecs = {
  "vivarium.v1.proto": {
    encode: (frame) => toBinary(ClientFrameSchema, create(ClientFrameSchema, frame)),
    decode: (data, binary) => { assert.ok(binary); return fromBinary(ServerFrameSchema, data); },
  },
  "vivarium.v1.json": {
    encode: (frame) => toJsonString(ClientFrameSchema, create(ClientFrameSchema, frame)),
    decode: (data, binary) => {
      assert.ok(!binary);
      return fromJsonString(ServerFrameSchema, data.toString());
    },
  },
};
export const address = `${url.replace("http", "ws")}/v1/ws`;

/** A connection that hands out the frames of each request in order. */
export class Connection {
  static async open(t, protocol, target = address, options = {}) {
    const self = new Connection();
    self.codec = codecs[protocol];
    self.frames = new Map();
    self.next = 0n;
    self.sessions = [];
    self.ws = new WebSocket(target, [protocol], options);
    self.ws.on("message", (data, binary) => {
      const frame = self.codec.decode(data, binary);
      self.box(frame.id).push(frame.body);
      self.wake?.();
    });
    await once(self.ws, "open");
    assert.equal(self.ws.protocol, protocol);
    t.after(async () => {
      if (self.ws.readyState !== WebSocket.OPEN) return;
      for (const session of self.sessions) await self.ask("closeSession", { session });
      self.ws.close();
      await once(self.ws, "close");
    });
    return self;
  }

  box(id) {
    if (!this.frames.has(id)) this.frames.set(id, []);
    return this.frames.get(id);
  }

  send(body, { id = ++this.next, credit = 0 } = {}) {
    this.ws.send(this.codec.encode({ id, credit, body }));
    return id;
  }

  async receive(id) {
    while (this.box(id).length === 0) await new Promise((resolve) => { this.wake = resolve; });
    return this.box(id).shift();
  }

  async ask(name, value) {
    const answer = await this.receive(this.send({ case: name, value }));
    if (answer.case === "error") throw Object.assign(new Error(answer.value.message), answer.value);
    assert.equal(answer.case, name);
    return answer.value;
  }

  /** Makes a session that is closed before the connection is. */
  async session(request = {}) {
    const { session } = await this.ask("createSession", request);
    this.sessions.push(session.id);
    return session.id;
  }

  /** Closes the connection, and what belongs to it. */
  async close() {
    this.ws.close();
    await once(this.ws, "close");
  }
}
