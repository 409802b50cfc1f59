//! Publisher, worker and schedules together, over a real queue, with a runner that does as it is told in place of applets.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use belljar::package::{Descriptor, Package};
use belljar::{AppletId, Chain, EventSink, Limits, Origin, PublishedEvent, Release, TenantId};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::publisher::{NewEvent, NewRun, NotTaken};
use super::registry::InstalledApplet;
use super::worker::Attempt;
use super::*;
use crate::directory::{Active, HostMapping, Identity, Quotas, Tenant, Unavailable};
use crate::queue::clock::manual::Manual;
use crate::queue::clock::{Clock, SystemClock};
use crate::queue::{Claimed, Filter, Kind, QueueConfig, State};

/// What is installed.
#[derive(Default)]
struct FakeCatalog {
    generation: AtomicU64,
    applets: Mutex<Vec<Arc<Active>>>,
}

impl FakeCatalog {
    fn install(
        &self,
        tenant: &str,
        id: &str,
        release_number: u64,
        is_enabled: bool,
        handlers: Value,
        publish: &[&str],
    ) {
        let subscribe: Vec<Value> = handlers
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|handler| handler["trigger"]["names"].as_array().cloned().unwrap_or_default())
            .collect();
        let descriptor: Descriptor = serde_json::from_value(json!({
            "format": 1, "id": id, "version": "1.0.0", "name": id,
            "runtime": { "engine": "wasm", "entrypoint": "a.js", "limits": {} },
            "handlers": handlers,
            "permissions": { "db": false, "http": [], "events_publish": publish, "events_subscribe": subscribe, "secrets": [], "kv": false, "jobs": true },
        }))
        .unwrap();
        let source_map = r#"{"version":3,"sources":[],"names":[],"mappings":""}"#.into();
        let package =
            Package { descriptor, bundle: "export default () => 1;\n".into(), source_map, files: Default::default() };
        let tenant_id = TenantId::new(tenant).unwrap();
        let release = Release::admit_all(tenant_id.clone(), &package.encode().unwrap(), &Limits::default()).unwrap();
        let tenant = Arc::new(Tenant { id: tenant_id, is_enabled: true, quotas: Quotas::default() });
        let active =
            Arc::new(Active { release: Arc::new(release), release_number, config: Arc::from(""), is_enabled, tenant });
        self.uninstall(&active.tenant.id, id);
        self.applets.lock().unwrap().push(active);
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    fn uninstall(&self, tenant: &TenantId, id: &str) {
        self.applets
            .lock()
            .unwrap()
            .retain(|active| active.tenant.id != *tenant || active.release.applet().as_str() != id);
        self.generation.fetch_add(1, Ordering::SeqCst);
    }
}

impl Directory for FakeCatalog {
    fn active(&self, tenant: &TenantId, applet: &AppletId) -> Result<Option<Arc<Active>>, Unavailable> {
        let applets = self.applets.lock().unwrap();
        Ok(applets.iter().find(|active| active.tenant.id == *tenant && active.release.applet() == applet).cloned())
    }
    fn host(&self, _: &str) -> Result<Option<HostMapping>, Unavailable> {
        Ok(None)
    }
    fn identity(&self, _: &str) -> Result<Option<Arc<Identity>>, Unavailable> {
        Ok(None)
    }
}

impl Installed for FakeCatalog {
    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }
    fn applets(&self) -> Result<Vec<InstalledApplet>, Unavailable> {
        let applets = self.applets.lock().unwrap();
        Ok(applets
            .iter()
            .map(|active| InstalledApplet {
                tenant: active.tenant.id.clone(),
                applet: active.release.applet().clone(),
                release_number: active.release_number,
                is_enabled: active.is_enabled,
            })
            .collect())
    }
}

type Behaviour = dyn Fn(&[Claimed]) -> Attempt + Send + Sync;

/// Notes what runs, and answers as it is told.
struct FakeRunner {
    behaviour: Box<Behaviour>,
    /// How long each call takes.
    takes: Duration,
    seen: Mutex<Vec<Vec<Claimed>>>,
}

impl FakeRunner {
    fn new(takes: Duration, behaviour: impl Fn(&[Claimed]) -> Attempt + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { behaviour: Box::new(behaviour), takes, seen: Mutex::default() })
    }

    fn seen(&self) -> Vec<Vec<Claimed>> {
        self.seen.lock().unwrap().clone()
    }
}

impl Runner for FakeRunner {
    fn run(
        &self,
        call: Arc<Vec<Claimed>>,
        end: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = Attempt> + Send + '_>> {
        Box::pin(async move {
            self.seen.lock().unwrap().push((*call).clone());
            tokio::select! {
                () = tokio::time::sleep(self.takes) => (self.behaviour)(&call),
                () = end.cancelled() => Attempt::Cancelled,
            }
        })
    }
}

fn fine() -> Attempt {
    Attempt::Answered { result: Some("\"done\"".into()), again: Vec::new() }
}

struct Place {
    dir: tempfile::TempDir,
    catalog: Arc<FakeCatalog>,
    clock: Arc<dyn Clock>,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), catalog: Arc::default(), clock: Arc::new(SystemClock::default()) }
    }

    fn on(self, handler: &str, applet: &str, names: &[&str], publish: &[&str]) -> Self {
        let trigger = json!({ "type": "event", "names": names, "attempts": 3, "backoff_ms": 10 });
        let handlers = json!([{ "name": handler, "export": handler, "trigger": trigger }]);
        self.catalog.install("acme", applet, 1, true, handlers, publish);
        self
    }

    async fn prepared(&self) -> Prepared {
        let queue =
            Queue::open(&self.dir.path().join("queue.sqlite"), QueueConfig::default(), self.clock.clone()).unwrap();
        Prepared::new(queue, self.catalog.clone(), self.catalog.clone()).await.unwrap()
    }

    async fn start(&self, runner: Arc<FakeRunner>) -> Triggers {
        self.prepared().await.start_with(runner, None, WorkerConfig { calls_max: 4, calls_per_applet_max: 4 })
    }
}

fn event(name: &str, payload: &str) -> NewEvent {
    NewEvent {
        tenant: "acme".into(),
        name: name.into(),
        payload: payload.into(),
        source: "test".into(),
        ..NewEvent::default()
    }
}

/// Waits until it holds.
async fn until<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not come about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn states(triggers: &Triggers) -> Vec<State> {
    triggers.queue().list(Filter::default()).await.unwrap().iter().map(|view| view.state).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_reaches_its_subscribers_and_a_poisonous_one_ends_dead() {
    let place = Place::new().on("on", "good", &["order.*"], &[]).on("on", "poisoned", &["order.paid"], &[]);
    let runner = FakeRunner::new(Duration::ZERO, |call| match call[0].applet.as_str() {
        "good" => fine(),
        _ => Attempt::Failed { error: "threw: no".into(), is_final: false },
    });
    let triggers = place.start(runner.clone()).await;
    let published = triggers.publisher().publish(event("order.paid", "{\"id\":7}")).await.unwrap();
    assert_eq!(published.deliveries, 2);
    until(|| async { states(&triggers).await.iter().all(|state| state.has_ended()) }).await;
    let message = triggers.queue().message("acme".into(), published.uid).await.unwrap();
    let [good, poisoned] = &message.deliveries[..] else { panic!("{message:?}") };
    assert_eq!((good.state, good.attempt), (State::Done, 1));
    assert_eq!((poisoned.state, poisoned.attempt, poisoned.error.as_deref()), (State::Dead, 3, Some("threw: no")));
    assert_eq!(runner.seen().len(), 4);
    assert!(triggers.stop(Duration::from_secs(1)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_an_event_is_told() {
    let place = Place::new().on("on", "good", &["order.*"], &["order.shipped", "said"]);
    let triggers = place.start(FakeRunner::new(Duration::ZERO, |_| fine())).await;
    let publish = |event| async { triggers.publisher().publish(event).await.unwrap_err().to_string() };
    assert!(publish(event("invoice", "1")).await.contains("\"invoice\" is not declared: no applet of tenant acme"));
    assert!(publish(NewEvent { tenant: "other".into(), ..event("order.paid", "1") }).await.contains("tenant other"));
    assert!(publish(event("order paid", "1")).await.contains("use 1 to 128 letters"));
    assert!(publish(event("order.paid", "{")).await.contains("the payload is not JSON"));
    let large = format!("\"{}\"", "x".repeat(256 << 10));
    assert!(matches!(
        triggers.publisher().publish(event("order.paid", &large)).await,
        Err(NotTaken::TooLarge { name: "events.payload_bytes_max", .. })
    ));
    // A name that an applet publishes and nobody handles is declared.
    assert_eq!(triggers.publisher().publish(event("said", "1")).await.unwrap().deliveries, 0);
    triggers.stop(Duration::from_secs(1)).await;
}

fn origin(applet: &str, uid: &str, depth: u32) -> Origin {
    Origin {
        tenant: TenantId::new("acme").unwrap(),
        applet: AppletId::new(applet).unwrap(),
        handler: "on".into(),
        invocation: belljar::InvocationId::new([1; 16]),
        chain: Chain { depth, root: None, event: Some(uid.into()) },
        job: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_publish_for_each_other_are_stopped() {
    let place = Place::new().on("on", "ping", &["b"], &["a"]).on("on", "pong", &["a"], &["b"]);
    let prepared = place.prepared().await;
    let publisher = prepared.publisher().clone();
    let chains = prepared.chains.clone();
    // ping publishes `a` for `b`, pong publishes `b` for `a`.
    let publish_from = move |call: &[Claimed]| {
        let claimed = call[0].clone();
        let (publisher, chains) = (publisher.clone(), chains.clone());
        let handle = tokio::runtime::Handle::current();
        std::thread::spawn(move || {
            let mut chain = claimed.chain.clone();
            chain.push(chains::link(&claimed.applet, &claimed.name));
            let by = publisher::running_as("acme", &claimed.applet, "on");
            let depth = claimed.depth + 1;
            let _entered = chains.enter(&by, &claimed.uid, chains::Led { chain, depth });
            let name = if claimed.applet == "ping" { "a" } else { "b" };
            let event = PublishedEvent {
                origin: origin(&claimed.applet, &claimed.uid, depth),
                name: name.into(),
                payload: "1".into(),
                key: None,
                order_key: None,
                due_ms: None,
            };
            handle.block_on(EventSink::publish(&*publisher, event)).map(drop)
        })
        .join()
        .unwrap()
        .map_or_else(|error| Attempt::Failed { error: error.to_string(), is_final: true }, |()| fine())
    };
    let runner = FakeRunner::new(Duration::ZERO, publish_from);
    let triggers = prepared.start_with(runner.clone(), None, WorkerConfig::default());
    triggers.publisher().publish(event("a", "1")).await.unwrap();
    until(|| async { states(&triggers).await.contains(&State::Dropped) }).await;
    let dropped =
        triggers.queue().list(Filter { state: Some(State::Dropped), ..Filter::default() }).await.unwrap().remove(0);
    assert!(
        dropped.error.as_deref().unwrap().contains("a loop: pong has handled \"a\" on the way here (pong/a -> ping/b)"),
        "{dropped:?}"
    );
    assert_eq!(runner.seen().len(), 2, "pong for a, ping for b, and no more");
    // Depth, whoever it is.
    let deep = PublishedEvent {
        origin: origin("ping", "evt_gone", 16),
        name: "a".into(),
        payload: "1".into(),
        key: None,
        order_key: None,
        due_ms: None,
    };
    let refused = EventSink::publish(&**triggers.publisher(), deep).await.unwrap_err().to_string();
    assert!(refused.contains("after 16 events that caused each other"), "{refused}");
    triggers.stop(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_taken_cancelled_and_answered() {
    let place = Place::new();
    let slow = FakeRunner::new(Duration::from_secs(60), |_| fine());
    let triggers = place.start(slow.clone()).await;
    let run = |attempts| NewRun {
        tenant: "acme".into(),
        applet: "app".into(),
        handler: "work".into(),
        payload: "[1]".into(),
        delay_ms: 0,
        attempts,
        key: None,
        source: "test".into(),
    };
    assert!(triggers.publisher().run_later(run(0)).await.unwrap_err().to_string().contains("use 1 to 100"));
    let taken = triggers.publisher().run_later(run(1)).await.unwrap();
    assert!(taken.uid.starts_with("run_"));
    until(|| async { triggers.worker().running() == 1 }).await;
    assert_eq!(triggers.publisher().cancel("acme", &taken.uid, "ada").await.unwrap(), 1);
    until(|| async { triggers.worker().running() == 0 }).await;
    let view = triggers.queue().message("acme".into(), taken.uid).await.unwrap().deliveries.remove(0);
    assert_eq!((view.kind, view.state, view.error.as_deref()), (Kind::Run, State::Cancelled, Some("cancelled by ada")));
    // Stopping ends what takes too long; it is tried again by the next process.
    let again = triggers.publisher().run_later(run(2)).await.unwrap();
    until(|| async { triggers.worker().running() == 1 }).await;
    assert!(!triggers.stop(Duration::from_millis(50)).await);
    let triggers = place.start(FakeRunner::new(Duration::ZERO, |_| fine())).await;
    until(|| async { states(&triggers).await.iter().all(|state| state.has_ended()) }).await;
    let view = triggers.queue().message("acme".into(), again.uid).await.unwrap().deliveries.remove(0);
    assert_eq!((view.state, view.attempt, view.result), (State::Done, 2, Some(json!("done"))));
    triggers.stop(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_of_a_batch_come_again() {
    let trigger = json!({ "type": "event", "names": ["n"], "attempts": 3, "backoff_ms": 10, "batch": { "max": 10, "wait_ms": 50 } });
    let place = Place::new();
    place.catalog.install("acme", "app", 1, true, json!([{ "name": "on", "export": "on", "trigger": trigger }]), &[]);
    let runner = FakeRunner::new(Duration::ZERO, |call| {
        let again = call
            .iter()
            .filter(|one| one.payload == "2" && one.attempt == 1)
            .map(|one| (one.uid.clone(), Some(10)))
            .collect();
        Attempt::Answered { result: None, again }
    });
    let triggers = place.start(runner.clone()).await;
    for n in 1..=3 {
        triggers.publisher().publish(event("n", &n.to_string())).await.unwrap();
    }
    until(|| async { states(&triggers).await == [State::Done; 3] }).await;
    let seen: Vec<Vec<String>> =
        runner.seen().iter().map(|call| call.iter().map(|one| one.payload.clone()).collect()).collect();
    assert_eq!(seen, [vec!["1", "2", "3"], vec!["2"]]);
    triggers.stop(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_uninstalled_gets_nothing_and_what_is_disabled_waits() {
    let place = Place::new().on("on", "app", &["n"], &[]);
    let runner = FakeRunner::new(Duration::ZERO, |_| Attempt::NotBegun {
        delay_ms: 60_000,
        why: "the applet is disabled".into(),
    });
    let triggers = place.start(runner.clone()).await;
    triggers.publisher().publish(event("n", "1")).await.unwrap();
    until(|| async { states(&triggers).await == [State::Waiting] }).await;
    let waiting = triggers.queue().list(Filter::default()).await.unwrap().remove(0);
    assert_eq!((waiting.attempt, waiting.error.as_deref()), (0, Some("the applet is disabled")));
    place.catalog.uninstall(&TenantId::new("acme").unwrap(), "app");
    triggers.sync().await.unwrap();
    assert_eq!(states(&triggers).await, [State::Dropped]);
    assert!(triggers.publisher().publish(event("n", "1")).await.is_err());
    triggers.stop(Duration::from_secs(1)).await;
}

fn schedule(cron: &str, overlap: &str, misfire: &str) -> Value {
    let trigger =
        json!({ "type": "schedule", "cron": cron, "time_zone": "UTC", "overlap": overlap, "misfire": misfire });
    json!([{ "name": "tick", "export": "tick", "trigger": trigger }])
}

const MINUTE_MS: u64 = 60_000;

/// Schedules under a clock that the test turns; nothing runs unless it is claimed by hand.
struct Turned {
    place: Place,
    clock: Arc<Manual>,
    prepared: Prepared,
    schedules: Arc<Schedules>,
}

impl Turned {
    async fn new(handlers: Value, is_enabled: bool) -> Self {
        let clock = Manual::new(1_704_067_200_000_000, 1);
        let place = Place { clock: clock.clone(), ..Place::new() };
        place.catalog.install("acme", "app", 1, is_enabled, handlers, &[]);
        Self::open(place, clock).await
    }

    async fn open(place: Place, clock: Arc<Manual>) -> Self {
        let prepared = place.prepared().await;
        let (queue, registry) = (prepared.queue.clone(), prepared.registry.clone());
        let schedules = Schedules::new(queue, registry, prepared.running.clone(), prepared.wake.clone());
        schedules.tick().await.unwrap();
        Self { place, clock, prepared, schedules }
    }

    async fn reopen(self) -> Self {
        let Self { place, clock, prepared, .. } = self;
        prepared.queue.close().await;
        drop(prepared);
        Self::open(place, clock).await
    }

    async fn pass(&self, minutes: u64) {
        self.clock.pass_ms(minutes * MINUTE_MS);
        self.schedules.tick().await.unwrap();
    }

    /// Takes what is ready, and ends it when told to.
    async fn take(&self, end: bool) -> Vec<Claimed> {
        let claimed: Vec<Claimed> =
            self.prepared.queue.claim(100, vec![]).await.unwrap().calls.into_iter().flatten().collect();
        if end {
            let finish = |claimed: &Claimed| crate::queue::Finish {
                delivery: claimed.id,
                lease: claimed.lease,
                ended: crate::queue::Ended::Done { result: None },
            };
            self.prepared.queue.finish(claimed.iter().map(finish).collect()).await.unwrap();
        }
        claimed
    }

    async fn view(&self) -> schedules::ScheduleView {
        self.schedules.list(None, None).await.unwrap().remove(0)
    }
}

#[tokio::test]
async fn each_time_fires_once_and_survives_a_restart() {
    let mut turned = Turned::new(schedule("*/10 * * * *", "skip", "once"), true).await;
    turned.pass(9).await;
    assert!(turned.take(true).await.is_empty());
    turned.pass(1).await;
    turned.schedules.tick().await.unwrap();
    let fired = turned.take(true).await;
    let payload: Value = serde_json::from_str(&fired[0].payload).unwrap();
    assert_eq!((fired.len(), payload["scheduledTime"].as_u64()), (1, Some(1_704_067_200_000 + 10 * MINUTE_MS)));
    assert_eq!(fired[0].kind, Kind::Schedule);
    turned = turned.reopen().await;
    assert!(turned.take(true).await.is_empty());
    turned.pass(10).await;
    assert_eq!(turned.take(true).await.len(), 1);
    // Half an hour nobody was there.
    turned.clock.pass_ms(35 * MINUTE_MS);
    turned = turned.reopen().await;
    assert_eq!(turned.take(true).await.len(), 1, "one stands for three");
    let view = turned.view().await;
    assert_eq!((view.fired, view.missed, view.skipped), (3, 2, 0));
    let missed = turned.schedules.missed("acme".into(), "app".into(), "tick".into()).await.unwrap();
    assert_eq!(missed.len(), 2);
    assert!(missed[0].why.contains("misfire: once"));
    let upcoming = turned.schedules.upcoming("acme", "app", "tick", 3).await.unwrap();
    assert_eq!(upcoming[0], view.next_ms.unwrap());
    assert_eq!(upcoming[2] - upcoming[0], 20 * MINUTE_MS);
}

#[tokio::test]
async fn runs_that_overlap_follow_their_policy() {
    let turned = Turned::new(schedule("* * * * *", "skip", "once"), true).await;
    turned.pass(1).await;
    assert_eq!(turned.take(false).await.len(), 1);
    turned.pass(1).await;
    assert!(turned.take(false).await.is_empty());
    assert_eq!(turned.view().await.skipped, 1);

    let turned = Turned::new(schedule("* * * * *", "queue", "once"), true).await;
    turned.pass(1).await;
    let first = turned.take(false).await.remove(0);
    for _ in 0..20 {
        // Its lease is renewed while it runs.
        turned.prepared.queue.renew(vec![(first.id, first.lease)]).await.unwrap();
        turned.clock.pass_ms(20_000);
        turned.prepared.queue.renew(vec![(first.id, first.lease)]).await.unwrap();
        turned.clock.pass_ms(20_000);
        turned.prepared.queue.renew(vec![(first.id, first.lease)]).await.unwrap();
        turned.clock.pass_ms(20_000);
        turned.schedules.tick().await.unwrap();
        assert!(turned.take(false).await.is_empty());
    }
    let view = turned.view().await;
    assert_eq!((view.fired, view.skipped), (10, 11), "no more than ten wait");

    let turned = Turned::new(schedule("* * * * *", "replace", "once"), true).await;
    turned.pass(1).await;
    let first = turned.take(false).await.remove(0);
    let end = CancellationToken::new();
    let _entered = turned.prepared.running.enter(&[(first.id, first.lease)], &end);
    turned.pass(1).await;
    assert!(end.is_cancelled());
    assert_eq!(turned.take(false).await.len(), 1);
}

#[tokio::test]
async fn jumps_of_the_clock_double_and_lose_nothing() {
    let turned = Turned::new(schedule("*/10 * * * *", "skip", "skip"), true).await;
    turned.pass(10).await;
    assert_eq!(turned.take(true).await.len(), 1);
    // Back by five minutes: the same time comes again and does not fire again.
    turned.clock.set_wall_us(turned.clock.wall_us() - 5 * MINUTE_MS * 1_000);
    turned.pass(5).await;
    assert!(turned.take(true).await.is_empty());
    turned.pass(10).await;
    assert_eq!(turned.take(true).await.len(), 1);
    // A year ahead: what lies between has passed.
    let right = turned.clock.wall_us();
    turned.clock.set_wall_us(right + 365 * 86_400_000_000);
    turned.schedules.tick().await.unwrap();
    turned.take(true).await;
    let view = turned.view().await;
    assert!(view.missed > 1_000, "{view:?}");
    turned.pass(10).await;
    turned.take(true).await;
    // And right again: it does not wait for a year.
    turned.clock.set_wall_us(right + 30 * MINUTE_MS * 1_000);
    turned.prepared.queue.run(move |work| work.rebase((right + 30 * MINUTE_MS * 1_000).cast_signed())).await.unwrap();
    turned.pass(10).await;
    assert_eq!(turned.take(true).await.len(), 1);
}

#[tokio::test]
async fn pausing_disabling_and_running_now() {
    let turned = Turned::new(schedule("*/10 * * * *", "skip", "once"), true).await;
    let name = || ("acme".to_owned(), "app".to_owned(), "tick".to_owned());
    let pause = |is_paused| {
        let (tenant, applet, handler) = name();
        turned.schedules.pause(tenant, applet, handler, is_paused)
    };
    pause(true).await.unwrap();
    turned.pass(60).await;
    assert!(turned.take(true).await.is_empty());
    assert_eq!(turned.view().await.next_ms, None);
    pause(false).await.unwrap();
    turned.pass(1).await;
    assert!(turned.take(true).await.is_empty(), "what passed meanwhile is not made up for");
    let uid = turned.schedules.run_now("acme", "app", "tick", "ada").await.unwrap();
    let ran = turned.take(true).await;
    assert_eq!((ran[0].uid.as_str(), ran[0].source.as_str()), (uid.as_str(), "run now by ada"));
    assert!(
        turned
            .schedules
            .run_now("acme", "app", "tock", "ada")
            .await
            .unwrap_err()
            .to_string()
            .contains("schedule tock of applet app")
    );
    // Disabled, its times pass; enabled again, one run stands for them.
    turned.place.catalog.install("acme", "app", 1, false, schedule("*/10 * * * *", "skip", "once"), &[]);
    turned.pass(35).await;
    assert!(turned.take(true).await.is_empty());
    turned.place.catalog.install("acme", "app", 1, true, schedule("*/10 * * * *", "skip", "once"), &[]);
    turned.pass(0).await;
    assert_eq!(turned.take(true).await.len(), 1);
    // Another expression begins anew; without the handler there is no schedule.
    turned.place.catalog.install("acme", "app", 2, true, schedule("0 0 1 1 *", "skip", "once"), &[]);
    turned.schedules.tick().await.unwrap();
    assert_eq!(turned.view().await.cron, "0 0 1 1 *");
    turned.place.catalog.install(
        "acme",
        "app",
        3,
        true,
        json!([{ "name": "a", "export": "a", "trigger": { "type": "call" } }]),
        &[],
    );
    assert!(turned.schedules.list(None, None).await.unwrap().is_empty());
}
