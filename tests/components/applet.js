// One component with a handler for each test of tests/e2e/components/javascript.rs.

import { begin, commit, execute, query, rollback } from "belljar:component/db@0.1.0";
import { publish } from "belljar:component/events@0.1.0";
import { send } from "belljar:component/http@0.1.0";
import { enqueue, progress } from "belljar:component/jobs@0.1.0";
import { compareAndSet, get, list, set } from "belljar:component/kv@0.1.0";
import { write } from "belljar:component/log@0.1.0";
import { get as secret } from "belljar:component/secrets@0.1.0";

const statement = (sql, ...values) => ({
  sql,
  parameters: { tag: "positional", val: values.map((value) => (typeof value === "string" ? { tag: "text", val: value } : { tag: "integer", val: BigInt(value) })) },
});

/** What a function threw, as its case. */
const refused = (act) => {
  try {
    return { ok: act() };
  } catch (error) {
    return error.payload?.tag ?? error.payload ?? String(error);
  }
};

const shown = (value) => JSON.parse(JSON.stringify(value, (_, v) => (typeof v === "bigint" ? Number(v) : ArrayBuffer.isView(v) ? Array.from(v) : v)));

const handlers = {
  echo: (input, call) => ({ input, handler: call.handler, trigger: call.trigger, tenant: call.caller.tenant, config: call.config, attempt: call.attempt }),

  database() {
    execute(statement("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE)"), undefined);
    const kept = begin();
    const changes = execute(statement("INSERT INTO notes (text) VALUES (?)", "kept"), kept);
    commit(kept);
    const lost = begin();
    execute(statement("INSERT INTO notes (text) VALUES (?)", "lost"), lost);
    rollback(lost);
    const twice = refused(() => execute(statement("INSERT INTO notes (text) VALUES (?)", "kept"), undefined));
    const rows = query(statement("SELECT id, text FROM notes"), undefined);
    return shown({ changes, twice, rows });
  },

  capabilities(input) {
    set("a", { tag: "json", val: "1" }, undefined);
    set("b", { tag: "bytes", val: new Uint8Array([1, 2]) }, 60_000n);
    const swapped = compareAndSet("a", { tag: "json", val: "1" }, { tag: "json", val: "2" }, undefined);
    const key = secret("KEY");
    write("warn", `the key is ${key}`, [{ name: "n", value: "1" }]);
    console.log("to stdout");
    const sent = send({ method: "POST", url: input.url, headers: [{ name: "x-key", value: key }], body: new TextEncoder().encode("ping") }, { redirect: "follow", timeoutMs: undefined });
    return shown({
      values: get(["a", "b", "c"]),
      page: list("", undefined, 10),
      swapped,
      key: key.length,
      missing: secret("MISSING") ?? null,
      other: refused(() => secret("OTHER")),
      event: publish({ name: "order.paid", payload: "{}", key: undefined, orderKey: undefined, delayMs: 0n }),
      job: enqueue({ handler: "echo", payload: "{}", due: { tag: "in-ms", val: 5n }, priority: 1, key: undefined }),
      progress: refused(() => progress("0.5")),
      answer: [sent.status, new TextDecoder().decode(sent.body)],
      elsewhere: refused(() => send({ method: "GET", url: "http://192.0.2.1/", headers: [], body: new Uint8Array() }, { redirect: "follow" })),
    });
  },

  hook: (request) => ({
    status: 201,
    headers: [{ name: "content-type", value: "text/plain" }],
    body: new TextEncoder().encode(`${request.method} ${new TextDecoder().decode(request.body)}`),
  }),

  /** Time and chance, by everything that JavaScript has. */
  async world() {
    const begun = Date.now();
    const order = [];
    await Promise.all([20, 5, 10].map(async (ms) => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      order.push(ms);
    }));
    let sum = 0;
    for (let n = 0; n < 20_000; n++) sum = (sum * 31 + n) % 1_000_003;
    const words = new Map([["b", 2], ["a", 1]]);
    return { begun, order, slept: Date.now() - begun, random: Math.random(), uuid: crypto.randomUUID(), sum, sorted: [...words].sort(), sine: Math.sin(1e9) };
  },

  spin() {
    for (;;);
  },

  bomb() {
    const all = [];
    for (;;) all.push(new Uint8Array(1 << 20));
  },

  flood() {
    for (let n = 0; n < 3_000; n++) console.log(`${n} `.repeat(20));
    console.error("at last");
    return "done";
  },

  large: () => "x".repeat(200_000),

  throws() {
    throw Object.assign(new Error("no such order"), { payload: { reason: "failed", name: "NotFound", message: "no such order", code: "order.unknown", details: '{"id":7}' } });
  },

  crashes() {
    undefined.property;
  },

  hostile() {
    // What a script of a server would look for. (`fetch` is there as a name.)
    return ["process", "require", "Deno", "Bun"].filter((name) => typeof globalThis[name] !== "undefined");
  },
};

export async function handle(call) {
  const handler = handlers[call.handler];
  if (!handler) throw Object.assign(new Error(), { payload: { reason: "handler-not-found", name: "", message: `no handler ${call.handler}` } });
  const { tag, val } = call.payload;
  const answer = await handler(tag === "json" ? JSON.parse(val) : val, call);
  return tag === "request" ? { tag: "response", val: answer } : { tag: "value", val: JSON.stringify(answer) };
}
