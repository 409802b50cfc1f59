// A raffle: names go into the store, `draw` takes some of them by chance, and a page shows who has won.

import { get, list, set } from "belljar:component/kv@0.1.0";
import { write } from "belljar:component/log@0.1.0";

/** Names that one draw looks at. */
const ENTRIES_MAX = 100;

/** An error that the caller sees: componentize-js hands on what is in `payload`. */
function refused(code, message) {
  return Object.assign(new Error(message), { payload: { reason: "failed", name: "Refused", message, code, details: undefined } });
}

const json = (value) => ({ tag: "json", val: JSON.stringify(value) });

function enter({ name }) {
  if (typeof name !== "string" || name.trim() === "") throw refused("invalid-name", "an entry needs a name");
  set(`entry:${name.trim()}`, json({ at: new Date().toISOString() }), undefined);
  return { entered: name.trim() };
}

function draw({ winners = 1 }) {
  const { keys, hasMore } = list("entry:", undefined, ENTRIES_MAX);
  if (hasMore) console.warn(`only the first ${ENTRIES_MAX} names take part`);
  if (keys.length < winners) throw refused("too-few", `${keys.length} names cannot give ${winners} winners`);
  const names = keys.map((key) => key.slice("entry:".length));
  const drawn = [];
  while (drawn.length < winners) {
    // 32 random bits for a hundred names: the bias is less than one in forty million.
    const [chance] = crypto.getRandomValues(new Uint32Array(1));
    drawn.push(...names.splice(chance % names.length, 1));
  }
  const result = { at: new Date().toISOString(), of: keys.length, winners: drawn };
  set("result", json(result), undefined);
  write("info", "drawn", [{ name: "entries", value: String(keys.length) }, { name: "winners", value: JSON.stringify(drawn) }]);
  return result;
}

function winners() {
  const [result] = get(["result"]);
  const text = result ? JSON.parse(result.val).winners.join("\n") : "nothing was drawn yet";
  return { status: result ? 200 : 404, headers: [{ name: "content-type", value: "text/plain" }], body: new TextEncoder().encode(`${text}\n`) };
}

export function handle(call) {
  switch (call.handler) {
    case "enter":
      return { tag: "value", val: JSON.stringify(enter(JSON.parse(call.payload.val))) };
    case "draw":
      return { tag: "value", val: JSON.stringify(draw(JSON.parse(call.payload.val))) };
    case "winners":
      return { tag: "response", val: winners() };
    default:
      throw Object.assign(new Error(), { payload: { reason: "handler-not-found", name: "", message: `no handler ${call.handler}` } });
  }
}
