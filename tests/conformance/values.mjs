// SPDX-License-Identifier: Apache-2.0
// Values as messages, and back.
import { fromJson } from "@bufbuild/protobuf";
import { ListValueSchema } from "@bufbuild/protobuf/wkt";

/** Returns a list of plain JSON values as a message. */
export const natural = (items) => fromJson(ListValueSchema, items);

/** Returns a Value message of a plain JavaScript value. */
export function value(of) {
  if (of === null) return { kind: { case: "none", value: {} } };
  if (typeof of === "bigint") return { kind: { case: "integer", value: of } };
  if (typeof of === "boolean") return { kind: { case: "boolean", value: of } };
  if (typeof of === "number") return { kind: { case: "real", value: of } };
  if (typeof of === "string") return { kind: { case: "text", value: of } };
  if (of instanceof Uint8Array) return { kind: { case: "blob", value: of } };
  return { kind: { case: "list", value: { items: of.map(value) } } };
}

/** Returns the plain JavaScript value of a Value; of a ref or another kind its message. */
export function plain({ kind }) {
  switch (kind.case) {
    case "none": return null;
    case "list": case "tuple": case "set": return kind.value.items.map(plain);
    case "dict":
      return Object.fromEntries(kind.value.entries.map((e) => [plain(e.key), plain(e.value)]));
    default: return kind.value;
  }
}

/** Returns the typed result of a verdict, plain; fails when there is none. */
export function resultOf(verdict) {
  if (verdict.outcome.case !== "result")
    throw new Error(`${verdict.outcome.value?.type}: ${verdict.outcome.value?.message}`);
  return plain(verdict.outcome.value.form.value);
}
