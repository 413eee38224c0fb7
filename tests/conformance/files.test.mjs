// SPDX-License-Identifier: Apache-2.0
// Files and volumes, by a client that was generated.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { FilesOutcome, FileService, FileType, VolumeService } from "./gen/vivarium/v1/file_pb.js";
import { clientsOf, detailOf, kinds, makeSession, url } from "./clients.mjs";

const failure = (promise) => promise.then(() => assert.fail("no error"), (error) => error);
const sha256 = (content) => createHash("sha256").update(content).digest();

for (const { name, options } of [...kinds.slice(0, 3), kinds.at(-1)]) {
  suite(name, () => {
    const { executions, sessions } = clientsOf(options);
    const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1", ...options });
    const files = createClient(FileService, transport);
    const volumes = createClient(VolumeService, transport);

    test("files go there and back", async (t) => {
      const { id: session } = await makeSession(t, sessions, { files: { "given.txt": Buffer.from("given") } });
      const content = randomBytes(200_000);
      const put = await files.putFile({ session, path: "d/x", content, sha256: sha256(content), mode: 0o640 });
      assert.deepEqual([put.file.size, put.file.mode, put.file.type], [200_000n, 0o640, FileType.FILE]);
      assert.deepEqual(Buffer.from(put.sha256), sha256(content));
      const got = await files.getFile({ session, path: "d/x" });
      assert.deepEqual(Buffer.from(got.content), content);
      assert.equal(Buffer.from((await files.getFile({ session, path: "given.txt" })).content).toString(), "given");
      const listed = await files.listFiles({ session, recursive: true });
      assert.deepEqual(listed.files.map((one) => one.path), ["d", "d/x", "given.txt"]);
      assert.equal((await files.moveFile({ session, from: "d/x", to: "e/f/y" })).file.path, "e/f/y");
      assert.equal((await files.removeFile({ session, path: "e", recursive: true })).removed, 3n);
      const error = await failure(files.statFile({ session, path: "e" }));
      assert.equal(error.code, Code.NotFound);
      const wrong = await failure(files.putFile({ session, path: "x", content, sha256: sha256("other") }));
      assert.equal(detailOf(wrong).code, "checksum_mismatch");
    });

    test("large ones in pieces", async (t) => {
      const { id: session } = await makeSession(t, sessions);
      const content = randomBytes(2_500_000);
      let upload = "";
      for (let at = 0; at < content.length; at += 500_000)
        ({ upload } = await files.writeFile({ session, upload, offset: BigInt(at), data: content.subarray(at, at + 500_000) }));
      const done = await files.writeFile({
        session, upload, offset: BigInt(content.length), commit: true, path: "big", sha256: sha256(content) });
      assert.equal(done.file.size, 2_500_000n);
      const pieces = [];
      let last;
      for await (const message of files.readFile({ session, path: "big" })) {
        pieces.push(message.data);
        last = message;
      }
      assert.deepEqual(Buffer.concat(pieces), content);
      assert.deepEqual(Buffer.from(last.sha256), sha256(content));
      assert.equal(last.size, 2_500_000n);
    });

    test("what an execution did, and undone", async (t) => {
      const { id: session } = await makeSession(t, sessions, { files: { old: Buffer.from("old") } });
      const { verdict } = await executions.eval({ session, source: "open('new', 'w')\nopen('old', 'a').write('!')", trackFiles: true });
      assert.deepEqual([verdict.files.added, verdict.files.modified, verdict.files.deleted], [["new"], ["old"], []]);
      const undone = await executions.eval({ session, source: "import os\nos.remove('old')\n1/0", transaction: true });
      assert.equal(undone.verdict.files.outcome, FilesOutcome.ROLLED_BACK);
      assert.equal(Buffer.from((await files.getFile({ session, path: "old" })).content).toString(), "old!");
    });

    test("volumes that are not there", async () => {
      assert.equal((await failure(volumes.removeVolume({ volume: "never" }))).code, Code.NotFound);
      assert.equal((await failure(volumes.createVolume({ name: "No" }))).code, Code.InvalidArgument);
    });
  });
}
