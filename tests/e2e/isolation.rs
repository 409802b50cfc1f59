//! What one invocation or tenant does is not seen by another.

use std::collections::HashSet;

use belljar::{Host, Outcome, Seeded};
use belljar_tests::{applet, host};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_an_invocation_is_left_for_the_next() {
    let main = r#"
let calls = 0;
const seen = new Map<string, number>();
export default async () => {
  const before = {
    calls, size: seen.size, marker: (globalThis as any).marker ?? null, polluted: ({} as any).polluted ?? null,
    array: ([] as any).evil ?? null, json: JSON.stringify([1]), then: await Promise.resolve('plain'), text: new TextEncoder().encode('a').length,
    max: Math.max(1, 2), stash: 'stash' in sdk ? (sdk as any).stash : null, frozen: Object.isFrozen(Map.prototype), date: typeof Date.now(),
  };
  calls += 1;
  seen.set('x', calls);
  (globalThis as any).marker = 'left behind';
  (Object.prototype as any).polluted = 'left behind';
  (Array.prototype as any).evil = 'left behind';
  Object.freeze(Map.prototype);
  Math.max = () => 99;
  try { (sdk as any).stash = 'left behind'; } catch {}
  const answer = JSON.stringify(before);
  JSON.stringify = () => '"hacked"';
  TextEncoder.prototype.encode = () => new Uint8Array(9);
  Date.now = () => 'never' as any;
  Promise.prototype.then = function () { throw new Error('hacked'); };
  return answer;
};"#;
    let package = applet::package_of("leaves", applet::PLAIN, main);
    let host = host::shared();
    let (one, other) =
        (applet::admit(host, applet::tenant(), &package), applet::admit(host, applet::tenant(), &package));
    let expected = json!({
        "calls": 0, "size": 0, "marker": null, "polluted": null, "array": null, "json": "[1]", "then": "plain", "text": 1,
        "max": 2, "stash": null, "frozen": false, "date": "number",
    });
    for (round, release) in [&one, &one, &other, &one].into_iter().enumerate() {
        let outcome = applet::call(host, release, "default", "null").await;
        let before = match applet::value(&outcome) {
            Value::String(text) => serde_json::from_str::<Value>(&text).expect("JSON"),
            other => panic!("round {round}: {other}"),
        };
        assert_eq!(before, expected, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invocations_at_the_same_time_do_not_meet() {
    let main = "let mine: unknown; export default async (c, n) => { mine = n; (globalThis as any).n = n; \
                await new Promise((r) => setTimeout(r, 20)); return [mine, (globalThis as any).n]; };";
    let host = host::shared();
    let release = applet::admit(host, applet::tenant(), &applet::package_of("meets", applet::PLAIN, main));
    let calls: Vec<_> = (0..40)
        .map(|n| {
            let release = release.clone();
            tokio::spawn(async move { applet::call(host, &release, "default", &n.to_string()).await })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(applet::value(&call.await.unwrap()), json!([n, n]));
    }
}

const NOTES: &str = "export default async ({ sdk, tenant }, note) => {
  await sdk.db.execute('CREATE TABLE IF NOT EXISTS notes (text TEXT NOT NULL)');
  if (note) await sdk.db.execute('INSERT INTO notes VALUES (?)', [note]);
  return { tenant, notes: (await sdk.db.query<{ text: string }>('SELECT text FROM notes ORDER BY rowid')).map((row) => row.text) };
};";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tenant_has_a_database_of_its_own() {
    let (host, data) = host::with_data();
    let manifest = format!("{}permissions: {{ db: true }}\n", applet::PLAIN);
    let (notes, same_code) =
        (applet::package_of("notes", &manifest, NOTES), applet::package_of("other-notes", &manifest, NOTES));
    let tenant = |name: &str| belljar::TenantId::new(name).unwrap();
    let acme = applet::admit(&host, tenant("acme"), &notes);
    let zeta = applet::admit(&host, tenant("zeta"), &notes);
    let acmes_other = applet::admit(&host, tenant("acme"), &same_code);

    let check = async |release, note: &str, name: &str, notes: &[&str]| {
        let outcome = applet::call(&host, release, "default", note).await;
        assert_eq!(applet::value(&outcome), json!({ "tenant": name, "notes": notes }));
    };
    check(&acme, "\"first\"", "acme", &["first"]).await;
    check(&zeta, "null", "zeta", &[]).await;
    check(&acmes_other, "null", "acme", &[]).await;
    check(&zeta, "\"theirs\"", "zeta", &["theirs"]).await;
    check(&acme, "\"second\"", "acme", &["first", "second"]).await;

    // Real files, where they are said to be, readable by anybody who has SQLite.
    drop(host);
    let rows = |path: &str| {
        let path = data.path().join("db").join(path);
        assert!(path.is_file(), "{} is missing", path.display());
        let file = rusqlite::Connection::open(path).unwrap();
        let mut select = file.prepare("SELECT text FROM notes ORDER BY rowid").unwrap();
        select.query_map([], |row| row.get::<_, String>(0)).unwrap().collect::<Result<Vec<_>, _>>().unwrap()
    };
    assert_eq!(rows("acme/notes.sqlite"), ["first", "second"]);
    assert_eq!(rows("zeta/notes.sqlite"), ["theirs"]);
    assert_eq!(rows("acme/other-notes.sqlite"), [""; 0]);
}

const RANDOM: &str = "const atTop = Math.random();
export default () => ({
  atTop, math: Math.random(), uuid: crypto.randomUUID(), bytes: [...crypto.getRandomValues(new Uint8Array(16))],
  now: Date.now(), shuffled: Array.from({ length: 20 }, (_, i) => i).sort(() => Math.random() - 0.5),
});";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_invocation_has_randomness_of_its_own() {
    let host = host::shared();
    let release = applet::admit(host, applet::tenant(), &applet::package_of("random", applet::PLAIN, RANDOM));
    let mut seen: [HashSet<String>; 3] = Default::default();
    let mut tops = HashSet::new();
    for _ in 0..20 {
        let answer = applet::value(&applet::call(host, &release, "default", "null").await);
        for (seen, part) in seen.iter_mut().zip(["math", "uuid", "bytes"]) {
            assert!(seen.insert(answer[part].to_string()), "{part} came twice: {answer}");
        }
        tops.insert(answer["atTop"].to_string());
        let now = answer["now"].as_u64().expect("a time");
        assert!(now > 1_700_000_000_000, "the clock of a handler is real: {now}");
    }
    assert_eq!(tops.len(), 1, "top-level code ran once, and its randomness follows from the package");
}

fn seeded(seed: u64) -> Host {
    host::build(host::builder().source(Seeded::new(1_750_000_000_000_000, seed)))
}

/// What repeats: everything but the wall clock.
pub(crate) fn repeatable(mut outcome: Outcome) -> Outcome {
    outcome.usage.wall_us = 0;
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seed_repeats_a_run_and_another_seed_does_not() {
    let package = applet::package_of("seeded", applet::PLAIN, RANDOM);
    let run = async |seed| {
        let host = seeded(seed);
        let release = applet::admit(&host, belljar::TenantId::new("acme").unwrap(), &package);
        let mut outcomes = Vec::new();
        for _ in 0..3 {
            outcomes.push(repeatable(applet::call(&host, &release, "default", "null").await));
        }
        outcomes
    };
    let first = run(7).await;
    assert_eq!(first, run(7).await, "output, ids, fuel and usage repeat");
    assert_eq!(applet::value(&first[0])["now"], json!(1_750_000_000_000_u64));
    assert_ne!(
        applet::value(&first[0])["uuid"],
        applet::value(&first[1])["uuid"],
        "and still each invocation has its own"
    );
    assert_ne!(applet::value(&first[0])["uuid"], applet::value(&run(8).await[0])["uuid"]);
}
