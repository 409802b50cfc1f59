// Runs once for each version of Deno, in a jail of its own, as an applet with nothing in it: when the runtime's script has been loaded, Deno
// has compiled its own modules, and keeps the code in its folder. This handler answers with that code, and with nothing that names a file.
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as after } from "node:timers/promises";

const FOLDER = process.env.DENO_DIR;
/** Deno writes behind; when the count of modules has stood still for so long, it is done, ms. */
const STILL_MS = 300;
const ROUNDS_MAX = 20;

export default async function () {
  const { DatabaseSync } = await import("node:sqlite");
  const name = readdirSync(FOLDER).find((name) => /^v8_code_cache_v[0-9]+$/.test(name));
  if (name === undefined) throw new Error("Deno keeps no code where it is looked for");
  const from = new DatabaseSync(`${FOLDER}/${name}`);
  from.exec("PRAGMA busy_timeout = 2000");
  const count = () => from.prepare("SELECT count(*) AS n FROM codecache").get().n;
  for (let before = -1, round = 0; before !== count() && round < ROUNDS_MAX; round++) {
    before = count();
    await after(STILL_MS);
  }
  const sealed = "/tmp/sealed";
  const to = new DatabaseSync(sealed);
  from.exec("BEGIN");
  for (const { name, sql } of from.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all()) {
    to.exec(sql);
    const all = from.prepare(`SELECT * FROM "${name}"`);
    all.setReadBigInts(true);
    to.exec("BEGIN");
    for (const row of all.all()) {
      if (String(row.specifier).startsWith("file:")) continue;
      const values = Object.values(row);
      to.prepare(`INSERT INTO "${name}" VALUES (${values.map(() => "?").join()})`).run(...values);
    }
    to.exec("COMMIT");
  }
  to.close();
  return new Response(readFileSync(sealed), { headers: { "x-name": name } });
}
