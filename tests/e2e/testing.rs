//! `belljar test`, by the real command: what passes and fails, how it is told, budgets, coverage, order, and all that a test can do.

mod custom;
mod recorded;

use std::path::Path;

use belljar_tests::cli::{self, Ran};
use belljar_tests::{applet, repository};
use serde_json::Value;
use tempfile::TempDir;

const MANIFEST: &str = "id: tested\nversion: 1.0.0\nname: Tested\nruntime:\n  entrypoint: src/main.ts\n";
const IMPORT: &str = "import { beforeEach, call, clock, config, describe, events, expect, fn, it, jobs, mock, secrets, spyOn } from '@belljar/sdk/test';\n";

/// An applet with one test file; `manifest` is what comes after its first keys.
fn folder(manifest: &str, main: &str, test: &str) -> TempDir {
    let (manifest, test) = (format!("{MANIFEST}{manifest}"), format!("{IMPORT}{test}"));
    applet::folder(&[("manifest.yaml", &manifest), ("src/main.ts", main), ("src/main.test.ts", &test)])
}

fn run(folder: &Path, args: &[&str]) -> Ran {
    let folder = folder.to_str().expect("a path of text");
    cli::run(&[&["test", folder][..], args].concat())
}

/// The results, as `--reporter json` tells them.
#[track_caller]
fn results(folder: &Path, args: &[&str], expected: i32) -> Value {
    let ran = run(folder, &[args, &["--reporter", "json"]].concat());
    assert_eq!(ran.code, Some(expected), "{ran:#?}");
    ran.json()
}

/// The test passes; its file is one test after the other.
#[track_caller]
fn check_passes(manifest: &str, main: &str, test: &str) {
    let folder = folder(manifest, main, test);
    let ran = run(folder.path(), &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

/// Messages of the failures of each test that has failed.
fn messages(results: &Value) -> Vec<(String, String)> {
    let tests = results["tests"].as_array().expect("a list").iter().filter(|test| test["status"] == "failed");
    let first = |test: &Value| {
        test["failures"][0]["message"].as_str().expect("a message").lines().next().unwrap_or_default().to_owned()
    };
    tests.map(|test| (test["name"].as_str().expect("a name").to_owned(), first(test))).collect()
}

const FAILING: &str = "\
describe('s', () => {
  it('passes', () => { expect(1 + 1).toBe(2); });
  it('fails', () => {
    console.log('before', { n: 1 });
    const value = { a: [1, 2] };
    expect(value).toEqual({ a: [1, 3] });
  });
  it.skip('is skipped', () => {});
  it.todo('is to be written');
  it('throws', async () => { await call('default'); });
});
";
const THROWS: &str = "export default () => {\n  throw new RangeError('no', { cause: new Error('why') });\n};\n";

#[test]
fn a_failure_is_shown_where_it_is() {
    let folder = folder("", THROWS, FAILING);
    let ran = run(folder.path(), &[]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    for part in [
        "src/main.test.ts\n",
        "FAILED src/main.test.ts > s > fails\n  expected { a: [1, 2] } to equal { a: [1, 3] }\n",
        "    -     3,\n    +     2,\n",
        // The import is line 1.
        "at src/main.test.ts:7:",
        "7 |     expect(value).toEqual({ a: [1, 3] });",
        "log:\n    info  before",
        "RangeError: no\n  at src/main.ts:2:9",
        "caused by: Error: why",
        "2 failed, 1 passed, 1 skipped, 1 todo",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("belljar:test/"), "the library is no part of a stack: {}", ran.stdout);
}

#[test]
fn results_are_told_to_programs() {
    let folder = folder("", THROWS, FAILING);
    let tap = run(folder.path(), &["--reporter", "tap"]);
    let lines: Vec<&str> = tap.stdout.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(
        lines,
        [
            "TAP version 14",
            "1..5",
            "ok 1 - src/main.test.ts > s > passes",
            "not ok 2 - src/main.test.ts > s > fails",
            "ok 3 - src/main.test.ts > s > is skipped # SKIP",
            "ok 4 - src/main.test.ts > s > is to be written # TODO",
            "not ok 5 - src/main.test.ts > s > throws",
        ]
    );
    let junit = run(folder.path(), &["--reporter", "junit"]);
    assert_eq!((tap.code, junit.code), (Some(1), Some(1)));
    assert!(
        junit.stdout.contains("<testsuites tests=\"5\" failures=\"2\" errors=\"0\" skipped=\"2\""),
        "{}",
        junit.stdout
    );
    assert_eq!(junit.stdout.matches("<testcase ").count(), 5);

    let json = results(folder.path(), &[], 1);
    assert_eq!(
        (&json["passed"], &json["failed"], &json["skipped"], &json["todo"]),
        (&1.into(), &2.into(), &1.into(), &1.into())
    );
    let failed = &json["tests"][1];
    assert_eq!((&failed["line"], &failed["log"][0]["message"]), (&4.into(), &"before { n: 1 }".into()));
    assert!(failed["failures"][0]["at"].as_str().expect("a place").starts_with("src/main.test.ts:7:"), "{failed:#}");
    assert!(failed["usage"]["fuel"].as_u64().expect("fuel") > 0);
}

#[test]
fn tests_are_chosen_by_name_and_file() {
    let folder =
        folder("", "export default () => 1;\n", "it('one', () => {});\nit('two', () => { expect(1).toBe(2); });\n");
    let names = |args: &[&str], code| -> Vec<String> {
        let json = results(folder.path(), args, code);
        json["tests"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|test| test["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names(&["-t", "one"], 0), ["one"]);
    assert_eq!(names(&[], 1), ["one", "two"]);
    let none = run(folder.path(), &["-t", "nothing"]);
    assert_eq!(none.code, Some(1), "{none:#?}");
    let file = folder.path().join("src/main.ts");
    assert_eq!(cli::run(&["test", file.to_str().expect("a path of text")]).code, Some(2));
}

#[test]
fn no_test_sees_another() {
    let test = "\
globalThis.count = 0;
for (const name of ['a', 'b', 'c']) {
  it(name, async () => {
    expect(++globalThis.count).toBe(1);
    expect(await sdk.db.queryOne('SELECT COUNT(*) AS n FROM seen')).toEqual({ n: 1 });
    await sdk.db.execute('INSERT INTO seen VALUES (?)', [name]);
    expect(await sdk.kv.increment('n')).toBe(1);
    expect(await events.published()).toEqual([]);
    await call('default');
    expect(await events.published()).toHaveLength(1);
  });
}
it('draws the same random bytes each time', () => { console.log(crypto.randomUUID()); });
it('and others than another', () => { console.log(crypto.randomUUID()); });
";
    let manifest = "permissions: { db: true, kv: true, events: { publish: [seen] } }\n";
    let main = "export default ({ sdk }) => sdk.events.publish('seen', 1);\n";
    let folder = folder(manifest, main, test);
    std::fs::create_dir(folder.path().join("migrations")).expect("it can be made");
    let migration = "CREATE TABLE seen (name TEXT) STRICT;\nINSERT INTO seen VALUES ('migrated');\n";
    std::fs::write(folder.path().join("migrations/0001_seen.sql"), migration).expect("it can be written");
    let logged = |json: &Value, test: usize| json["tests"][test]["log"][0]["message"].clone();
    let (one, other) = (results(folder.path(), &["-j", "4"], 0), results(folder.path(), &["-j", "1"], 0));
    assert_eq!(logged(&one, 3), logged(&other, 3));
    assert_ne!(logged(&one, 3), logged(&one, 4));
    let fuel = |json: &Value| -> Vec<u64> {
        json["tests"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|test| test["usage"]["fuel"].as_u64().expect("fuel"))
            .collect()
    };
    assert_eq!(fuel(&one), fuel(&other), "fuel repeats");
}

#[test]
fn budgets_and_the_baseline_are_held() {
    let work = "for (let i = 0; i < 20_000; i++) Math.sqrt(i);";
    let test =
        format!("it('has a budget', {{ fuelMax: 1_000 }}, () => {{ {work} }});\nit('has none', () => {{ {work} }});\n");
    let applet = folder("", "export default () => 1;\n", &test);
    let failed = messages(&results(applet.path(), &[], 1));
    assert_eq!(failed.len(), 1);
    assert!(failed[0].0 == "has a budget" && failed[0].1.contains("its budget (fuelMax) is 1000"), "{failed:?}");
    // Counting takes fuel: no budget counts then.
    results(applet.path(), &["--coverage"], 0);

    results(applet.path(), &["--update-baseline"], 1);
    let file = applet.path().join("belljar.fuel.json");
    let mut baseline: Value =
        serde_json::from_str(&std::fs::read_to_string(&file).expect("a baseline")).expect("it is JSON");
    let key = "src/main.test.ts > has none";
    let before = baseline["fuel"][key].as_u64().expect("its fuel");
    assert_eq!(baseline["fuel"].as_object().expect("figures").len(), 1, "what has failed has no figure");
    assert_eq!(messages(&results(applet.path(), &[], 1)).len(), 1, "as much as before is not too much");

    baseline["fuel"][key] = (before / 2).into();
    std::fs::write(&file, baseline.to_string()).expect("it can be written");
    let failed = messages(&results(applet.path(), &[], 1));
    assert!(failed.len() == 2 && failed[1].1.contains("% more than the"), "{failed:?}");

    baseline["engine"] = "0".repeat(64).into();
    std::fs::write(&file, baseline.to_string()).expect("it can be written");
    let ran = run(applet.path(), &[]);
    assert!(ran.stderr.contains("is of another engine"), "{ran:#?}");
}

#[test]
fn the_order_follows_from_the_seed() {
    let tests: String = (0..12).map(|n| format!("it('{n}', () => {{}});\n")).collect();
    let folder = folder("", "export default () => 1;\n", &tests);
    let order = |args: &[&str]| {
        let json = results(folder.path(), args, 0);
        let names: Vec<String> =
            json["tests"].as_array().expect("a list").iter().map(|test| test["name"].to_string()).collect();
        (names, json["shuffle"].as_u64())
    };
    let (declared, none) = order(&[]);
    let (shuffled, seed) = order(&["--shuffle"]);
    let seed = seed.expect("a seed that was drawn");
    assert_eq!(none, None);
    assert_eq!(order(&[&format!("--shuffle={seed}")]), (shuffled, Some(seed)));
    let (one, _) = order(&["--shuffle=1"]);
    assert_ne!(one, declared);
    let text = run(folder.path(), &["--shuffle=7"]);
    assert!(text.stdout.contains("--shuffle=7 repeats this order"), "{}", text.stdout);
}

#[test]
fn coverage_is_exact() {
    let main = "\
export interface Order { n: number }
const LIMIT = 10;
export default (_: unknown, { n }: Order) => {
  if (n > LIMIT) {
    return 'many';
  }
  if (n < 0) throw new Error('less');
  return n === 1
    ? 'one'
    : words(n);
};
function words(n: number) {
  return `${n}`;
}
export const unused = () => {
  return 1;
};
";
    let test = "it('one', async () => { expect(await call('default', { n: 1 })).toBe('one'); });\nit('two', async () => { expect(await call('default', { n: 2 })).toBe('2'); });\n";
    let folder = folder("", main, test);
    let json = results(folder.path(), &["--coverage"], 0);
    assert_eq!(
        json["coverage"],
        serde_json::json!([{ "file": "src/main.ts", "lines": 9, "covered": 7, "uncovered": "5,16" }])
    );
    let lcov = std::fs::read_to_string(folder.path().join("coverage/lcov.info")).expect("a tracefile");
    // Top-level code runs once; the throw of line 7 is on a line that is executed.
    let expected = "TN:\nSF:src/main.ts\nDA:2,1\nDA:3,1\nDA:4,2\nDA:5,0\nDA:7,2\nDA:8,2\nDA:13,1\nDA:15,1\nDA:16,0\nLF:9\nLH:7\nend_of_record\n";
    assert_eq!(lcov, expected);
    let table = run(
        folder.path(),
        &["--coverage", "--coverage-file", folder.path().join("x.info").to_str().expect("a path of text")],
    );
    assert!(table.stdout.contains("77.8 %  5,16"), "{}", table.stdout);
    assert!(folder.path().join("x.info").is_file());
}

#[test]
fn positions_are_the_authors_while_lines_are_counted() {
    let folder = folder("", THROWS, "it('throws', () => call('default'));\n");
    let json = results(folder.path(), &["--coverage"], 1);
    assert_eq!(json["tests"][0]["failures"][0]["at"], "src/main.ts:2:9");
}

#[test]
fn http_is_mocked_within_the_rules_of_the_manifest() {
    check_passes(
        "permissions:\n  http: [{ hosts: [api.example.com], methods: [GET, POST] }]\n  secrets: [{ name: KEY, hosts: [api.example.com] }, PLAIN]\n",
        "export default async ({ sdk }, { method = 'GET', url }) => {\n  const key = await sdk.secrets.get('KEY');\n  const response = await fetch(url, { method, headers: { authorization: `Bearer ${key}` } });\n  return { status: response.status, body: await response.text(), plain: await sdk.secrets.get('PLAIN') };\n};\n",
        "\
it('answers what the test says, once it is allowed', async () => {
  await secrets.set('KEY', 's3cret');
  await secrets.set('PLAIN', 'text');
  const api = mock.http('GET https://api.example.com/a', 503, { ok: true });
  expect(await call('default', { url: 'https://api.example.com/a?q=1' })).toMatchObject({ status: 503, plain: 'text' });
  expect(await call('default', { url: 'https://api.example.com/a' })).toMatchObject({ status: 200, body: '{\"ok\":true}' });
  // The secret is in what goes out, and was not in the applet.
  expect(api.requests.map(({ headers }) => headers.get('authorization'))).toEqual(['Bearer s3cret', 'Bearer s3cret']);
  await expect(call('default', { url: 'https://api.example.com/b' })).rejects.toThrow('is not mocked');
  mock.http('https://other.example.com/', 200);
  await expect(call('default', { url: 'https://other.example.com/' })).rejects.toThrow('permissions.http');
  mock.http('DELETE https://api.example.com/a', 200);
  await expect(call('default', { method: 'DELETE', url: 'https://api.example.com/a' })).rejects.toThrow(/DELETE/);
});
",
    );
}

#[test]
fn time_is_the_tests() {
    check_passes(
        "permissions: { kv: true, jobs: true }\n",
        "export default async ({ sdk }) => {\n  await sdk.kv.set('k', 1, { ttlMs: 1000 });\n  await new Promise((resolve) => setTimeout(resolve, 3_600_000));\n  await sdk.jobs.enqueue('default', null, { delayMs: 5000 });\n  return Date.now();\n};\n",
        "\
it('stands, and passes where it is waited for', async () => {
  expect(new Date().toISOString()).toBe('2026-01-01T00:00:00.000Z');
  for (let i = 0; i < 300_000; i++) Math.sqrt(i);
  expect(Date.now()).toBe(clock.now());
  expect(await call('default')).toBe(Date.parse('2026-01-01T01:00:00Z'));
  expect(await sdk.kv.get('k')).toBeUndefined();
  expect((await jobs.enqueued())[0].dueMs).toBe(Date.now() + 5000);
  await clock.set('2024-02-29T12:00:00Z');
  expect(new Date().toISOString()).toBe('2024-02-29T12:00:00.000Z');
  const seen = [];
  setInterval(() => seen.push(Date.now()), 1000);
  await clock.advance(2500);
  expect(seen.map((at) => at - Date.parse('2024-02-29T12:00:00Z'))).toEqual([1000, 2000]);
});
",
    );
}

#[test]
fn limits_end_a_test_and_say_where() {
    let test = "it('never ends', { timeoutMs: 300 }, () => {\n  for (;;) Math.sqrt(2);\n});\nit('waits for nothing', () => new Promise(() => {}));\nit('goes on', () => {});\n";
    let folder = folder("", "export default () => 1;\n", test);
    let json = results(folder.path(), &[], 1);
    let code = |test: usize| json["tests"][test]["failures"][0]["code"].clone();
    assert_eq!(
        (code(0), code(1), &json["tests"][2]["status"]),
        ("deadline".into(), "unsettled".into(), &"passed".into())
    );
    assert!(
        json["tests"][0]["failures"][0]["at"].as_str().expect("a place").starts_with("src/main.test.ts:"),
        "{json:#}"
    );
}

#[test]
fn spies_hooks_and_callers() {
    check_passes(
        "handlers:\n  - { name: who, export: who }\n  - { name: item, export: item, type: http, method: GET, path: '/items/:id', auth: none }\n",
        "export const api = { now: () => 'real' };\nexport const who = ({ user, permissions, config }) => ({ user, permissions, config, now: api.now() });\nexport const item = ({ params, text }) => text(params.id, 201);\n",
        "\
import { api } from './main.ts';
let ready = 0;
beforeEach(async () => { ready = await Promise.resolve(1); });
it('works', async () => {
  config.set({ a: 1 });
  const spy = spyOn(api, 'now').mockReturnValueOnce('mocked');
  expect(await call('who', {}, { user: 'u1', permissions: ['p'], config: { b: 2 } })).toEqual({ user: 'u1', permissions: ['p'], config: { a: 1, b: 2 }, now: 'mocked' });
  expect(await call('who')).toMatchObject({ now: 'real', permissions: [] });
  expect(spy).toHaveBeenCalledTimes(2);
  const response = await call('item', new Request('https://x/items/a%20b'));
  expect([response.status, await response.text(), ready]).toEqual([201, 'a b', 1]);
  const f = fn((n: number) => n * 2);
  expect([1, 2].map((n) => f(n))).toEqual([2, 4]);
});
",
    );
}

#[test]
fn what_cannot_be_run_says_so() {
    let broken = folder("", "export default () => 1;\n", "if (Date.now() > 0) throw new TypeError('at the top');\n");
    let ran = run(broken.path(), &[]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("at the top") && ran.stderr.contains("src/main.test.ts:2:"), "{}", ran.stderr);

    let process = applet::folder(&[
        ("manifest.yaml", "id: process\nversion: 1.0.0\nname: P\nruntime: { entrypoint: main.ts, engine: bun }\n"),
        ("main.ts", "export default () => 1;\n"),
        ("main.test.ts", "import { it } from '@belljar/sdk/test';\nit('x', () => {});\n"),
    ]);
    let ran = run(process.path(), &[]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("tests run in the sandbox"), "{}", ran.stderr);

    let none = applet::folder(&[("manifest.yaml", MANIFEST), ("src/main.ts", "export default () => 1;\n")]);
    assert!(run(none.path(), &[]).stderr.contains("there is no test file"));
}

#[test]
fn the_tests_of_the_examples_pass() {
    for name in ["pricing", "crm-sync"] {
        let ran = run(&repository().join("examples").join(name), &[]);
        assert_eq!(ran.code, Some(0), "{name}: {}{}", ran.stdout, ran.stderr);
    }
}
