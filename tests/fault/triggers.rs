//! Triggers whose process is killed at random moments, two hundred times under load: every event that was acknowledged is handled, none is tried
//! more often than its attempts allow, the dead ones are all there, and each time of a schedule fires once or is reported.
//!
//! The ledger is the parent's: the child tells what was acknowledged and what ran, each before anything else happens.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use belljar::package::{Descriptor, Package};
use belljar::{Limits, Release, TenantId};
use belljar_server::queue::clock::{Clock, SystemClock};
use belljar_server::queue::{Claimed, Filter, Kind, Queue, QueueConfig, State};
use belljar_server::triggers::publisher::NewEvent;
use belljar_server::triggers::worker::{Attempt, Runner, WorkerConfig};
use belljar_server::triggers::{Prepared, Triggers};
use belljar_tests::one_applet::OneApplet;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::child::{start, tell};

/// Times the process is killed.
const KILLS: u64 = 200;
/// Attempts of an event.
const ATTEMPTS: u32 = 4;
/// How much faster the wall clock of the child goes than the world's: a minute passes in 0.3 s.
const FASTER: u64 = 200;
/// When that clock began: 2024-01-01, Unix time in microseconds.
const EPOCH_US: u64 = 1_704_067_200_000_000;
/// Names the moment of the world when the clock began, in a file of the data directory.
const BEGAN: &str = "began";

/// One applet, with a handler for events and a schedule for each minute.
fn applet() -> OneApplet {
    let descriptor: Descriptor = serde_json::from_value(json!({
        "format": 1, "id": "app", "version": "1.0.0", "name": "app",
        "runtime": { "engine": "wasm", "entrypoint": "a.js", "limits": {} },
        "handlers": [
            { "name": "on", "export": "on", "trigger": {
                "type": "event", "names": ["n"], "attempts": ATTEMPTS, "backoff_ms": 10, "backoff_ms_max": 50, "batch": { "max": 8, "wait_ms": 5 },
            } },
            { "name": "ordered", "export": "ordered", "trigger": {
                "type": "event", "names": ["o"], "attempts": ATTEMPTS, "backoff_ms": 10, "backoff_ms_max": 50, "order": "key",
            } },
            { "name": "tick", "export": "tick", "trigger": {
                "type": "schedule", "cron": "* * * * *", "time_zone": "UTC", "overlap": "queue", "misfire": "skip", "attempts": 100, "backoff_ms": 10,
            } },
        ],
        "permissions": {
            "db": false, "http": [], "events_publish": [], "events_subscribe": ["n", "o"], "secrets": [], "kv": false, "jobs": false,
        },
    }))
    .unwrap();
    let source_map = r#"{"version":3,"sources":[],"names":[],"mappings":""}"#.into();
    let package =
        Package { descriptor, bundle: "export default () => 1;\n".into(), source_map, files: Default::default() };
    let tenant = TenantId::new("acme").unwrap();
    OneApplet::new(Release::admit_all(tenant, &package.encode().unwrap(), &Limits::default()).unwrap())
}

/// A wall clock that goes faster, and on where the last process left it.
struct Fast {
    system: SystemClock,
    began: SystemTime,
}

impl Fast {
    fn of(data: &Path) -> Self {
        let file = data.join(BEGAN);
        let now_us = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
        let began_us = std::fs::read_to_string(&file).ok().map_or(now_us, |text| text.parse().unwrap());
        std::fs::write(&file, began_us.to_string()).unwrap();
        Self { system: SystemClock::default(), began: UNIX_EPOCH + Duration::from_micros(began_us) }
    }
}

impl Clock for Fast {
    fn wall_us(&self) -> u64 {
        let passed = SystemTime::now().duration_since(self.began).unwrap_or_default();
        EPOCH_US + u64::try_from(passed.as_micros()).unwrap() * FASTER
    }
    fn elapsed_us(&self) -> u64 {
        self.system.elapsed_us()
    }
    fn random(&self) -> u64 {
        self.system.random()
    }
}

/// Whether nobody can handle an event.
fn is_poison(number: u64) -> bool {
    number % 10 == 3
}

/// Tells what runs. Some fail the first time; those of ten one always.
struct Telling;

impl Telling {
    async fn call(call: Arc<Vec<Claimed>>) -> Attempt {
        let mut again = Vec::new();
        for claimed in call.iter() {
            if claimed.kind == Kind::Schedule {
                let payload: Value = serde_json::from_str(&claimed.payload).unwrap();
                tell(&format!("tick {} {}", payload["scheduledTime"], claimed.attempt));
                continue;
            }
            let number: u64 = claimed.payload.parse().unwrap();
            tell(&format!("ran {number} {}", claimed.attempt));
            if is_poison(number) || (number % 7 == 1 && claimed.attempt == 1) {
                again.push((claimed.uid.clone(), None));
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        for claimed in call
            .iter()
            .filter(|claimed| claimed.kind == Kind::Event && !again.iter().any(|(uid, _)| *uid == claimed.uid))
        {
            tell(&format!("handled {}", claimed.payload));
        }
        Attempt::Answered { result: None, again }
    }
}

impl Runner for Telling {
    fn run(&self, call: Arc<Vec<Claimed>>, _: CancellationToken) -> Pin<Box<dyn Future<Output = Attempt> + Send + '_>> {
        Box::pin(Self::call(call))
    }
}

fn config() -> QueueConfig {
    // What has ended is compared at the end, so nothing is forgotten.
    QueueConfig {
        ended_per_tenant_max: 10_000_000,
        deliveries_per_tenant_max: 10_000_000,
        bytes_per_tenant_max: 1 << 40,
        ..QueueConfig::default()
    }
}

async fn triggers(data: &Path) -> Triggers {
    let queue = Queue::open(&data.join("queue.sqlite"), config(), Arc::new(Fast::of(data))).unwrap();
    let one = Arc::new(applet());
    let prepared = Prepared::new(queue, one.clone(), one).await.unwrap();
    prepared.start_with_runner(Arc::new(Telling), WorkerConfig { calls_max: 16, calls_per_applet_max: 16 })
}

/// The child: publishes until it is killed.
pub(crate) fn run(data: &Path, seed: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let triggers = Arc::new(triggers(data).await);
        tell("open");
        let next = Arc::new(AtomicU64::new(seed * 1_000_000));
        let mut publishers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (triggers, next) = (triggers.clone(), next.clone());
            publishers.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let is_ordered = number % 5 == 0;
                    let event = NewEvent {
                        tenant: "acme".into(),
                        name: if is_ordered { "o" } else { "n" }.into(),
                        payload: number.to_string(),
                        order_key: is_ordered.then(|| (number % 3).to_string()),
                        source: "test".into(),
                        ..NewEvent::default()
                    };
                    triggers.publisher().publish(event).await.unwrap();
                    tell(&format!("published {number}"));
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        }
        // They end by a failure only.
        if let Some(failed) = publishers.join_next().await {
            failed.unwrap();
        }
    });
}

#[derive(Default)]
struct Ledger {
    published: BTreeSet<u64>,
    /// Numbers by the attempts that began.
    ran: BTreeMap<u64, Vec<u32>>,
    handled: BTreeSet<u64>,
    /// Times of the schedule by the attempts of their runs.
    ticked: BTreeMap<u64, Vec<u32>>,
}

impl Ledger {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        // A line that was cut off was not told.
        let number = |index: usize| words.get(index).and_then(|word| word.parse::<u64>().ok());
        match (words[0], number(1), number(2)) {
            ("published", Some(n), _) => drop(self.published.insert(n)),
            ("handled", Some(n), _) => drop(self.handled.insert(n)),
            ("ran", Some(n), Some(attempt)) => self.ran.entry(n).or_default().push(u32::try_from(attempt).unwrap()),
            ("tick", Some(at), Some(attempt)) => {
                self.ticked.entry(at).or_default().push(u32::try_from(attempt).unwrap())
            }
            _ => {}
        }
    }
}

#[test]
fn triggers_that_are_killed_lose_nothing_and_try_nothing_too_often() {
    let data = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::default();
    let mut killed = 0;
    let mut numbers = crate::work::Numbers(11);
    for round in 0..KILLS {
        let child = start("triggers", data.path(), round, None);
        while let Some(line) = child.line() {
            if line == "open" {
                break;
            }
            ledger.hear(&line);
        }
        std::thread::sleep(Duration::from_micros(numbers.below(120_000)));
        let (lines, was_alive) = child.kill();
        killed += u64::from(was_alive);
        lines.iter().for_each(|line| ledger.hear(line));
    }
    assert_eq!(killed, KILLS, "each was killed at work");
    assert!(ledger.published.len() as u64 > KILLS, "it has done something: {}", ledger.published.len());

    // What is left is done in this process; what it runs is told on standard output, and not in the ledger.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (dead, done, runs, missed) = runtime.block_on(async {
        let triggers = triggers(data.path()).await;
        let begun = Instant::now();
        loop {
            let counts = triggers.queue().counts(None).await.unwrap();
            if counts.iter().all(|count| count.state.has_ended() || count.kind == Kind::Schedule) {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not come to an end: {counts:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let missed = triggers.schedules().missed("acme".into(), "app".into(), "tick".into()).await.unwrap();
        let queue = triggers.queue().clone();
        let all = |state, kind| {
            let queue = queue.clone();
            async move {
                let mut all = Vec::new();
                let mut before = None;
                loop {
                    let filter = Filter { state, kind: Some(kind), before, limit: 1_000, ..Filter::default() };
                    let page = queue.list(filter).await.unwrap();
                    before = page.last().map(|view| view.id);
                    if page.is_empty() {
                        break all;
                    }
                    all.extend(page);
                }
            }
        };
        let dead = all(Some(State::Dead), Kind::Event).await;
        let done = all(Some(State::Done), Kind::Event).await;
        let runs = all(None, Kind::Schedule).await;
        let payload = |uid: String| async {
            let message = queue.message("acme".into(), uid).await.unwrap();
            message.payload
        };
        let mut dead_numbers = BTreeMap::new();
        for view in &dead {
            dead_numbers.insert(payload(view.message.clone()).await.as_u64().unwrap(), view.attempt);
        }
        let mut done_numbers = BTreeMap::new();
        for view in &done {
            done_numbers.insert(payload(view.message.clone()).await.as_u64().unwrap(), view.attempt);
        }
        let mut run_times = BTreeMap::new();
        for view in &runs {
            let at = payload(view.message.clone()).await["scheduledTime"].as_u64().unwrap();
            assert!(run_times.insert(at, view.state).is_none(), "{at} fired twice");
        }
        triggers.stop(Duration::from_secs(5)).await;
        (dead_numbers, done_numbers, run_times, missed)
    });

    for number in &ledger.published {
        match (done.get(number), dead.get(number)) {
            (Some(attempt), None) => {
                assert!(!is_poison(*number) && *attempt <= ATTEMPTS, "{number}: done at attempt {attempt}")
            }
            // A kill may have used up the last attempt of one that could be handled.
            (None, Some(attempt)) => assert_eq!(*attempt, ATTEMPTS, "{number} is dead before its attempts are used up"),
            other => panic!("event {number} was acknowledged and is lost, or there twice: {other:?}"),
        }
    }
    for (number, attempts) in &ledger.ran {
        let mut distinct = attempts.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), attempts.len(), "{number}: an attempt ran twice: {attempts:?}");
        assert!(attempts.iter().all(|attempt| *attempt <= ATTEMPTS), "{number}: {attempts:?}");
    }
    for number in &ledger.handled {
        assert!(!is_poison(*number));
    }
    let (first, last) = (*runs.keys().next().unwrap(), *runs.keys().next_back().unwrap());
    let missed: BTreeSet<u64> = missed.iter().map(|missed| missed.fires_ms).collect();
    let noted_from = missed.iter().next().copied().unwrap_or(0).max(first);
    for at in (noted_from..=last).step_by(60_000) {
        let (fired, noted) = (runs.contains_key(&at), missed.contains(&at));
        assert!(fired != noted, "the time {at}: fired {fired}, reported as missed {noted}");
    }
    let ticks: Vec<_> = ledger.ticked.keys().filter(|at| !runs.contains_key(at)).collect();
    assert!(ticks.is_empty(), "ran and is not there: {ticks:?}");
    assert!(runs.len() > 20, "the schedule has fired: {}", runs.len());
}
