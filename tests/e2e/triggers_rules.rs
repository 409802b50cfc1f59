//! What the real server promises of events, jobs and hooks: order, priority, bounds, shapes of handlers, and what goes on after an answer.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::triggers::{Serving, begin, deliveries, deploy, until, written};

/// A table that handlers write to, and a handler that tells what is in it.
const SEEN: &str = "
const note = async (sdk: any, what: string) => {
  await sdk.db.execute('CREATE TABLE IF NOT EXISTS seen (n INTEGER PRIMARY KEY, what TEXT NOT NULL) STRICT');
  await sdk.db.execute('INSERT INTO seen (what) VALUES (?)', [what]);
};
export const seen = async ({ sdk }: any) => {
  await sdk.db.execute('CREATE TABLE IF NOT EXISTS seen (n INTEGER PRIMARY KEY, what TEXT NOT NULL) STRICT');
  return (await sdk.db.query('SELECT what FROM seen ORDER BY n')).map((row: any) => row.what);
};
";

fn seen(serving: &Serving, applet: &str) -> Vec<String> {
    let called = serving.get(&["call", &format!("acme/{applet}"), "--handler", "seen"]);
    serde_json::from_value(called["value"].clone()).expect("a list of texts")
}

#[test]
fn events_with_one_order_key_come_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let serving = begin(&dir, &[]);
    let ordered = written(
        "ordered",
        "handlers:\n  - { name: on, export: default, type: event, names: [o], order: key, retry: { attempts: 3, backoff: 300ms } }\n  - { name: seen, export: seen }\npermissions:\n  db: true\n",
        &format!(
            "{SEEN}export default async ({{ sdk, attempt }}: any, n: string) => {{\n  if (n === 'a0' && attempt === 1) throw new Error('later');\n  await note(sdk, n);\n}};\n"
        ),
    );
    deploy(&serving, ordered.path().to_str().unwrap(), &[]);
    for n in ["a0", "a1", "a2", "b0"] {
        serving.get(&["events", "publish", "acme", "o", "--payload", &json!(n).to_string(), "--order-key", &n[..1]]);
    }
    until(|| deliveries(&serving, "done").len(), |done| *done == 4);
    let order = seen(&serving, "ordered");
    let of = |key: &str| order.iter().filter(|what| what.starts_with(key)).cloned().collect::<Vec<_>>();
    assert_eq!(of("a"), ["a0", "a1", "a2"], "the first is tried again before the next one begins");
    assert_eq!(of("b"), ["b0"]);
    assert_eq!(order[0], "b0", "another key does not wait");
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn jobs_of_a_higher_priority_come_first_and_one_key_is_one_job() {
    let dir = tempfile::tempdir().unwrap();
    let serving = begin(&dir, &["--worker-calls-max", "1"]);
    let jobs = written(
        "jobs",
        "handlers:\n  - { name: begin, export: begin }\n  - { name: work, export: work }\n  - { name: seen, export: seen }\npermissions:\n  db: true\n  jobs: true\n",
        &format!(
            "{SEEN}export const begin = async ({{ sdk }}: any) => {{
  await sdk.jobs.enqueue('work', 'first');
  const id = await sdk.jobs.enqueue('work', 'low', {{ priority: -5, key: 'k' }});
  const again = await sdk.jobs.enqueue('work', 'low again', {{ priority: 50, key: 'k' }});
  await sdk.jobs.enqueue('work', 'high', {{ priority: 5 }});
  return id === again;
}};
export const work = async ({{ sdk }}: any, what: string) => {{
  if (what === 'first') await new Promise((resolve) => setTimeout(resolve, 500));
  await note(sdk, what);
}};
"
        ),
    );
    deploy(&serving, jobs.path().to_str().unwrap(), &[]);
    assert_eq!(serving.get(&["call", "acme/jobs", "--handler", "begin"])["value"], json!(true));
    assert_eq!(until(|| seen(&serving, "jobs"), |seen| seen.len() == 3), ["first", "high", "low"]);
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn a_full_queue_refuses_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let serving = begin(&dir, &["--deliveries-per-tenant-max", "2"]);
    let full = written(
        "full",
        "handlers:\n  - { name: on, export: default, type: event, names: [n] }\n",
        "export default () => {};\n",
    );
    deploy(&serving, full.path().to_str().unwrap(), &[]);
    for _ in 0..2 {
        serving.get(&["events", "publish", "acme", "n", "--delay-ms", "3600000"]);
    }
    let ran = serving.ask(&["events", "publish", "acme", "n"]);
    assert!(
        ran.code != Some(0) && ran.stdout.contains("queue-full") && ran.stdout.contains("deliveries_per_tenant_max"),
        "{ran:?}"
    );
    for one in deliveries(&serving, "waiting") {
        serving.get(&["events", "drop", "acme", &one["id"].to_string()]);
    }
    serving.get(&["events", "publish", "acme", "n"]);
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn hooks_are_called_when_their_time_has_come() {
    let dir = tempfile::tempdir().unwrap();
    let serving = begin(&dir, &[]);
    let hooks: String = ["install", "update", "enable", "disable", "uninstall"]
        .iter()
        .map(|on| format!("  - {{ name: {on}, export: hook, type: lifecycle, on: {on} }}\n"))
        .collect();
    let rest = format!("handlers:\n  - {{ name: default, export: default }}\n{hooks}");
    let main =
        "export const hook = (context: any) => { console.log('hook', context.handler); };\nexport default () => 1;\n";
    let folder = written("hooks", &rest, main);
    let manifest = folder.path().join("manifest.yaml");
    deploy(&serving, folder.path().to_str().unwrap(), &[]);
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("1.0.0", "1.1.0")).unwrap();
    deploy(&serving, folder.path().to_str().unwrap(), &[]);
    serving.get(&["disable", "acme/hooks"]);
    serving.get(&["enable", "acme/hooks"]);
    serving.get(&["uninstall", "acme/hooks", "--yes"]);
    let told = until(
        || {
            let ran = serving.ask(&["logs", "acme"]);
            let lines: Vec<String> = ran
                .stdout
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .map(|line| line["message"].as_str().unwrap_or_default().to_owned())
                .collect();
            lines
        },
        |lines| lines.len() == 5,
    );
    assert_eq!(told, ["hook install", "hook update", "hook disable", "hook enable", "hook uninstall"]);
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn a_client_does_not_wait_for_wait_until_and_what_is_left_over_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let serving = begin(&dir, &["--limit-wait-until-ms", "1500"]);
    let late = written(
        "late",
        "handlers:\n  - { name: done, export: done, type: http, method: GET, path: /done, auth: none }\n  - { name: left, export: left, type: http, method: GET, path: /left, auth: none }\n",
        "const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
export const done = ({ waitUntil }: any) => { waitUntil(wait(700).then(() => console.log('done'))); return { ok: true }; };
export const left = ({ waitUntil }: any) => { waitUntil(wait(60_000)); return new Response('gone on'); };
",
    );
    deploy(&serving, late.path().to_str().unwrap(), &[]);
    // Whatever the first call has to prepare.
    serving.request("/acme/late/done");
    let begun = Instant::now();
    assert_eq!(serving.request("/acme/late/done"), (200, "{\"ok\":true}".to_owned()));
    assert!(begun.elapsed() < Duration::from_millis(700), "it has waited: {:?}", begun.elapsed());
    assert_eq!(serving.request("/acme/late/left"), (200, "gone on".to_owned()));
    let rows = until(
        || serving.get(&["invocations", "acme/late"])["items"].as_array().cloned().unwrap_or_default(),
        |rows| rows.len() == 3,
    );
    let of = |handler: &str| rows.iter().find(|row| row["handler"] == handler).cloned().unwrap_or_default();
    assert_eq!(of("done")["ended"], "answered", "{rows:?}");
    assert!(of("left").to_string().contains("wait_until_ms"), "{rows:?}");
    let lines = until(|| serving.ask(&["logs", "acme"]).stdout, |lines| lines.lines().count() >= 2);
    assert!(lines.contains("\"done\""), "{lines}");
    assert_eq!(serving.stop(), Some(0));
}
