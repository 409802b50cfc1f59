//! The server and its commands, as operators use them.

mod admin;
mod development;
mod examples;
mod journey;
mod killed;
mod recordings;
mod settings;

/// A small applet: two routes, config, a log line.
pub(crate) const MANIFEST: &str = "\
id: hello
version: VERSION
name: Hello
runtime:
  entrypoint: src/main.ts
permissions:
  db: true
handlers:
  - name: greet
    type: http
    method: GET
    path: /greet/:name
    auth: none
  - name: count
";

/// Its code; `GREETING` is what versions differ in.
pub(crate) const MAIN: &str = "\
export async function greet(context, payload) {
  const name = context.params.name;
  context.sdk.log.info('greeted', { name });
  await context.sdk.db.execute('CREATE TABLE IF NOT EXISTS greeted (name TEXT) STRICT');
  await context.sdk.db.execute('INSERT INTO greeted VALUES (?)', [name]);
  return { greeting: `GREETING, ${name}!`, tenant: context.tenant };
}
export async function count(context) {
  const row = await context.sdk.db.queryOne('SELECT count(*) AS n FROM greeted');
  return row.n;
}
";

/// The applet in a folder.
pub(crate) fn hello(version: &str, greeting: &str) -> tempfile::TempDir {
    let (manifest, main) = (MANIFEST.replace("VERSION", version), MAIN.replace("GREETING", greeting));
    belljar_tests::applet::folder(&[("manifest.yaml", &manifest), ("src/main.ts", &main)])
}
