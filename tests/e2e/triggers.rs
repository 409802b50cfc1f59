//! Events, schedules and jobs on the real server: the examples, what goes wrong, and what is left after a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use belljar_tests::cli::Ran;
use belljar_tests::server::{Reply, Seen, Server};
use belljar_tests::{PATIENCE, repository, serving};
use serde_json::{Value, json};

/// A server, asked with `--json`.
pub(crate) struct Serving(serving::Server);

impl Serving {
    pub(crate) fn ask(&self, args: &[&str]) -> Ran {
        let mut all = args.to_vec();
        all.push("--json");
        self.0.belljar(&all)
    }

    /// The answer, when it has to succeed.
    #[track_caller]
    pub(crate) fn get(&self, args: &[&str]) -> Value {
        let ran = self.ask(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        ran.json()
    }

    pub(crate) fn request(&self, path: &str) -> (u16, String) {
        let answer = serving::request(self.0.at, "GET", path, &[], b"");
        (answer.status, answer.text())
    }

    /// As a machine that loses power.
    pub(crate) fn kill(mut self) {
        self.0.told.signal(rustix::process::Signal::KILL);
        self.0.told.ended();
    }

    pub(crate) fn stop(mut self) -> Option<i32> {
        self.0.told.stop().code()
    }
}

fn example(name: &str) -> String {
    repository().join("examples").join(name).to_str().expect("UTF-8").to_owned()
}

/// Waits until an answer is as it has to be.
#[track_caller]
pub(crate) fn until<T: std::fmt::Debug>(mut ask: impl FnMut() -> T, holds: impl Fn(&T) -> bool) -> T {
    let begun = Instant::now();
    loop {
        let answer = ask();
        if holds(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not come about: {answer:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A server with the tenant `acme`.
pub(crate) fn begin(dir: &tempfile::TempDir, more: &[&str]) -> Serving {
    let serving = Serving(serving::Server::start(dir.path(), more));
    if !serving.get(&["tenants", "list"])["items"]
        .as_array()
        .is_some_and(|items| items.iter().any(|item| item["id"] == "acme"))
    {
        serving.get(&["tenants", "create", "acme"]);
    }
    serving
}

pub(crate) fn deploy(serving: &Serving, path: &str, more: &[&str]) {
    let mut args = vec!["deploy", path, "--tenant", "acme", "--yes"];
    args.extend(more);
    serving.get(&args);
}

/// An applet of one file.
pub(crate) fn written(id: &str, rest: &str, main: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = format!("id: {id}\nversion: 1.0.0\nname: {id}\nruntime:\n  entrypoint: main.ts\n{rest}");
    std::fs::write(folder.path().join("manifest.yaml"), manifest).expect("written");
    std::fs::write(folder.path().join("main.ts"), main).expect("written");
    folder
}

pub(crate) fn deliveries(serving: &Serving, state: &str) -> Vec<Value> {
    let list = serving.get(&["events", "list", "acme", "--state", state]);
    list["items"].as_array().cloned().unwrap_or_default()
}

/// A CRM that answers, or does not.
fn crm(is_up: Arc<AtomicBool>) -> Server {
    Server::start(move |seen: &Seen| {
        if !is_up.load(Ordering::SeqCst) {
            return Reply::status(503);
        }
        match seen.path.as_str() {
            "/customers/c-1" => Reply::json(&json!({ "id": "c-1", "name": "Ada", "revision": 1 })),
            "/customers?after=" => {
                Reply::json(&json!({ "customers": [{ "id": "c-2", "name": "Grace", "revision": 1 }], "next": "2" }))
            }
            "/customers?after=2" => {
                Reply::json(&json!({ "customers": [{ "id": "c-3", "name": "Jean", "revision": 4 }], "next": "3" }))
            }
            "/customers?after=3" => Reply::json(&json!({ "customers": [], "next": "3" })),
            _ => Reply::status(404),
        }
    })
}

#[test]
fn crm_sync_keeps_up_whatever_the_crm_does() {
    let is_up = Arc::new(AtomicBool::new(true));
    let crm = crm(is_up.clone());
    let dir = tempfile::tempdir().unwrap();
    let test_host = format!("localhost:{}", crm.port());
    let mut serving = begin(&dir, &["--outbound-test-hosts", &test_host]);
    let config = json!({ "base_url": format!("http://localhost:{}", crm.port()) }).to_string();
    deploy(&serving, &example("crm-sync"), &["--config", &config]);
    let customers = |serving: &Serving| {
        let (status, body) = serving.request("/acme/crm-sync/customers");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body)
            .unwrap()
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].clone())
            .collect::<Vec<_>>()
    };

    // An event.
    let published = serving.get(&[
        "events",
        "publish",
        "acme",
        "customer.changed",
        "--payload",
        r#"{"id":"c-1"}"#,
        "--order-key",
        "c-1",
        "--key",
        "k",
    ]);
    assert_eq!(published["deliveries"], 1, "{published}");
    until(|| customers(&serving), |ids| *ids == [json!("c-1")]);
    let again =
        serving.get(&["events", "publish", "acme", "customer.changed", "--payload", r#"{"id":"c-1"}"#, "--key", "k"]);
    assert_eq!((&again["id"], &again["is_duplicate"]), (&published["id"], &json!(true)));
    let shown = until(
        || serving.get(&["events", "show", "acme", published["id"].as_str().unwrap()]),
        |shown| shown["deliveries"][0]["state"] == "done",
    );
    assert_eq!((&shown["payload"], &shown["deliveries"][0]["attempt"]), (&json!({ "id": "c-1" }), &json!(1)));

    // The schedule, now: its job goes from page to page.
    let next = serving.get(&["schedules", "next", "acme/crm-sync", "catch-up", "--count", "3"]);
    let times: Vec<u64> = next["next_ms"].as_array().unwrap().iter().map(|at| at.as_u64().unwrap()).collect();
    assert_eq!((times.len(), times[1] - times[0], times[0] / 60_000 % 60), (3, 3_600_000, 7));
    serving.get(&["schedules", "run", "acme/crm-sync", "catch-up"]);
    until(|| customers(&serving), |ids| *ids == [json!("c-1"), json!("c-2"), json!("c-3")]);
    let jobs = until(
        || serving.get(&["jobs", "list", "acme/crm-sync", "--name", "page"]),
        |jobs| {
            jobs["items"]
                .as_array()
                .is_some_and(|items| items.len() == 3 && items.iter().all(|item| item["state"] == "done"))
        },
    );
    assert_eq!(jobs["items"][0]["result"], json!({ "stored": 0, "cursor": "3" }));
    assert_eq!(jobs["items"][2]["progress"], json!({ "stored": 1, "cursor": "2" }));

    // The CRM is down: the event waits for its next attempt, through a crash of the server, too.
    is_up.store(false, Ordering::SeqCst);
    let missed = serving.get(&["events", "publish", "acme", "customer.changed", "--payload", r#"{"id":"c-1"}"#]);
    let waiting = until(|| deliveries(&serving, "waiting"), |waiting| waiting.len() == 1);
    assert!(waiting[0]["error"].as_str().unwrap().contains("the CRM answered 503"), "{waiting:?}");
    serving.kill();
    serving = begin(&dir, &["--outbound-test-hosts", &test_host]);
    is_up.store(true, Ordering::SeqCst);
    let delivery = waiting[0]["id"].to_string();
    // It may be tried by itself just now.
    serving.ask(&["events", "retry", "acme", &delivery]);
    let shown = until(
        || serving.get(&["events", "show", "acme", missed["id"].as_str().unwrap()]),
        |shown| shown["deliveries"][0]["state"] == "done",
    );
    assert!(shown["deliveries"][0]["attempt"].as_u64().unwrap() >= 2, "{shown}");
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn daily_report_counts_in_batches_and_sums_up() {
    let dir = tempfile::tempdir().unwrap();
    let serving = begin(&dir, &[]);
    deploy(&serving, &example("daily-report"), &[]);
    let latest = || serde_json::from_str::<Value>(&serving.request("/acme/daily-report/latest").1).unwrap();
    assert_eq!(latest(), json!({ "at": null, "events": 0 }), "the install hook was called");
    assert_eq!(serving.get(&["health", "acme/daily-report"])["status"], "healthy");
    for n in 0..10 {
        serving.get(&[
            "events",
            "publish",
            "acme",
            "customer.changed",
            "--payload",
            &json!({ "id": n.to_string() }).to_string(),
        ]);
    }
    // One that nobody can handle ends dead, alone.
    let poison = serving.get(&["events", "publish", "acme", "customer.gone", "--payload", "{}"]);
    until(|| deliveries(&serving, "done").len(), |done| *done == 10);
    let dead = until(|| deliveries(&serving, "dead"), |dead| dead.len() == 1);
    assert_eq!((&dead[0]["message"], &dead[0]["attempt"]), (&poison["id"], &json!(5)));
    serving.get(&["schedules", "run", "acme/daily-report", "report"]);
    let report = until(latest, |latest| latest["events"] == 10);
    assert!(report["at"].is_string());
    assert_eq!(serving.get(&["health", "acme/daily-report"])["status"], "healthy");
    // Dead ones are replayed, and dropped.
    assert_eq!(serving.get(&["events", "replay", "acme/daily-report", "--dead"])["count"], 1);
    until(|| deliveries(&serving, "dead"), |dead| dead.len() == 1);
    assert_eq!(serving.get(&["events", "drop", "acme", "--dead"])["count"], 1);
    assert!(deliveries(&serving, "dead").is_empty());
    // A schedule that is paused has no next time.
    serving.get(&["schedules", "pause", "acme/daily-report", "report"]);
    let list = serving.get(&["schedules", "list", "acme"]);
    assert_eq!((&list["items"][0]["is_paused"], list["items"][0].get("next_ms")), (&json!(true), None));
    serving.get(&["schedules", "resume", "acme/daily-report", "report"]);
    assert!(serving.get(&["schedules", "list", "acme"])["items"][0]["next_ms"].is_u64());
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn what_goes_wrong_is_told_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let serving = begin(&dir, &[]);
    let ping = written(
        "ping",
        "handlers:\n  - { name: on, export: default, type: event, names: [pong] }\npermissions:\n  events: { publish: [ping] }\n",
        "export default async (context: any) => { await context.sdk.events.publish('ping', {}); };\n",
    );
    let pong = written(
        "pong",
        "handlers:\n  - { name: on, export: default, type: event, names: [ping] }\npermissions:\n  events: { publish: [pong] }\n",
        "export default async (context: any) => { await context.sdk.events.publish('pong', {}); };\n",
    );
    let slow = written(
        "slow",
        "  limits: { max_execution_ms: 100 }\nhandlers:\n  - { name: on, export: default, type: event, names: [slow], retry: { attempts: 2, backoff: 10ms } }\n  - { name: work, export: default }\n",
        "export default async () => { for (;;) await new Promise((resolve) => setTimeout(resolve, 1000)); };\n",
    );
    for folder in [&ping, &pong, &slow] {
        deploy(&serving, folder.path().to_str().unwrap(), &[]);
    }
    // Two that publish for each other are stopped where the loop closes.
    serving.get(&["events", "publish", "acme", "ping"]);
    let dropped = until(|| deliveries(&serving, "dropped"), |dropped| dropped.len() == 1);
    assert!(
        dropped[0]["error"]
            .as_str()
            .unwrap()
            .contains("a loop: pong has handled \"ping\" on the way here (pong/ping -> ping/pong)"),
        "{dropped:?}"
    );
    // A handler that always times out.
    let timing_out = serving.get(&["events", "publish", "acme", "slow"]);
    let dead = until(|| deliveries(&serving, "dead"), |dead| dead.len() == 1);
    assert_eq!((&dead[0]["message"], &dead[0]["attempt"]), (&timing_out["id"], &json!(2)));
    assert!(dead[0]["error"].as_str().unwrap().contains("deadline"), "{dead:?}");
    // What is not declared, not JSON, too large.
    let refused = |args: &[&str], code: &str, what: &str| {
        let ran = serving.ask(args);
        assert_ne!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains(code) && ran.stdout.contains(what), "{ran:?}");
    };
    refused(&["events", "publish", "acme", "nothing"], "undeclared-event", "is not declared: no applet of tenant acme");
    refused(&["events", "publish", "other", "slow"], "undeclared-event", "no applet of tenant other");
    refused(&["events", "publish", "acme", "slow", "--payload", "{"], "invalid-payload", "not JSON");
    let large = format!("\"{}\"", "x".repeat(300 << 10));
    let file = dir.path().join("large.json");
    std::fs::write(&file, large).unwrap();
    refused(
        &["events", "publish", "acme", "slow", "--payload", &format!("@{}", file.display())],
        "too-large",
        "events.payload_bytes_max",
    );
    refused(&["events", "show", "acme", "evt_0"], "not-found", "there is no message evt_0");
    refused(&["events", "retry", "acme", "999999"], "not-found", "there is no delivery 999999");
    refused(&["schedules", "run", "acme/slow", "on"], "not-found", "schedule on of applet slow");
    refused(&["jobs", "run", "acme/slow", "nothing"], "not-found", "it has: on, work");
    // A call without waiting, called off while it runs.
    let call = serving.get(&["jobs", "run", "acme/slow", "work", "--attempts", "3"]);
    let id = call["id"].as_str().unwrap();
    serving.get(&["jobs", "cancel", "acme", id]);
    let shown = serving.get(&["jobs", "show", "acme", id]);
    assert_eq!(shown["deliveries"][0]["state"], "cancelled");
    // An install hook that fails undoes the installation.
    let broken = written(
        "broken",
        "handlers:\n  - { name: begin, export: default, type: lifecycle, on: install }\n",
        "export default () => { throw new Error('no licence'); };\n",
    );
    let ran = serving.ask(&["deploy", broken.path().to_str().unwrap(), "--tenant", "acme", "--yes"]);
    assert!(ran.code != Some(0) && ran.stdout.contains("no licence"), "{ran:?}");
    let applets = serving.get(&["list", "acme"]);
    assert!(applets["items"].as_array().unwrap().iter().all(|item| item["applet"] != "broken"), "{applets}");
    // What is uninstalled gets nothing more.
    serving.get(&["events", "publish", "acme", "slow", "--delay-ms", "3600000"]);
    serving.get(&["uninstall", "acme/slow", "--yes"]);
    until(
        || deliveries(&serving, "dropped"),
        |dropped| dropped.iter().any(|one| one["error"] == "the applet was uninstalled"),
    );
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn a_server_that_stops_or_is_killed_loses_no_event() {
    let dir = tempfile::tempdir().unwrap();
    let counting = written(
        "counting",
        "handlers:\n  - { name: on, export: default, type: event, names: [n], retry: { attempts: 20, backoff: 10ms, backoff_max: 100ms } }\n  - { name: seen, export: seen }\npermissions:\n  db: true\n",
        "export default async ({ sdk, eventId, attempt }: any, n: number) => {\n  await sdk.db.execute('CREATE TABLE IF NOT EXISTS seen (n INTEGER, id TEXT, attempt INTEGER) STRICT');\n  await sdk.db.execute('INSERT INTO seen VALUES (?, ?, ?)', [n, eventId, attempt]);\n};\nexport const seen = ({ sdk }: any) => sdk.db.query('SELECT n, count(*) AS times, max(attempt) AS attempts FROM seen GROUP BY n ORDER BY n');\n",
    );
    let mut serving = begin(&dir, &[]);
    deploy(&serving, counting.path().to_str().unwrap(), &[]);
    let mut published = 0;
    for round in 0..6 {
        for _ in 0..10 {
            serving.get(&["events", "publish", "acme", "n", "--payload", &published.to_string()]);
            published += 1;
        }
        if round % 2 == 0 {
            serving.kill();
        } else {
            assert_eq!(serving.stop(), Some(0));
        }
        serving = begin(&dir, &[]);
    }
    // The list of deliveries ends at its first page: what was handled is counted by the applet.
    let rows = until(
        || {
            serving.get(&["call", "acme/counting", "--handler", "seen"])["value"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        },
        |rows| rows.len() == published,
    );
    assert!(rows.iter().all(|row| row["attempts"].as_u64().unwrap() <= 20), "{rows:?}");
    assert_eq!(serving.stop(), Some(0));
}
