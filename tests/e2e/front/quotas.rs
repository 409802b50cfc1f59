//! What tenants and applets may use: places, queues, fuel, traffic, and the emergency stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use belljar::{MemorySink, TenantId};
use belljar_server::directory::{Active, Quotas, Tenant};
use belljar_server::dispatch::{Budgets, DayUse, QuotaLog, StorageMeter};
use belljar_server::front::FrontConfig;
use belljar_server::record::Ended;
use belljar_server::schedule::Settings;
use belljar_tests::front::{Parts, Served};
use belljar_tests::{eventually, host};

use super::package;

const MAIN: &str = "
export const hang = () => new Promise((r) => setTimeout(r, 20_000));
export const quick = () => 'quick';
export const burn = () => { let x = 0; for (let i = 0; i < 10_000; i++) x = (x + i) % 7; return x; };
";
const ROUTES: [&str; 3] = ["hang GET /hang, auth: none", "quick * /quick, auth: none", "burn GET /burn, auth: none"];

async fn served(settings: Settings) -> Served {
    Served::with(FrontConfig::default(), settings, host::shared().clone(), None).await
}

fn why(served: &Served) -> Vec<&'static str> {
    let refused = served.records.all().into_iter().filter_map(|record| match record.ended {
        Ended::Refused { why } => Some(why),
        _ => None,
    });
    refused.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_past_the_bounds_wait_and_then_are_refused() {
    let settings =
        Settings { places_max: 8, queue_max: 4, tenant_queue_max: 2, queue_ms_max: 3_000, ..Settings::default() };
    let served = served(settings).await;
    let few = Quotas { concurrent_max: Some(2), ..Quotas::default() };
    served.memory.install(served.dispatcher.host(), "few", &package("app", &ROUTES, "", MAIN), few);
    served.install("other", &package("app", &ROUTES, "", MAIN));
    let load = || served.dispatcher.scheduler().load();
    let mut hanging = Vec::new();
    // One after the other, so that the last two are those that wait.
    for (admitted, queued) in [(1, 0), (2, 0), (2, 1), (2, 2)] {
        let mut client = served.connect().await;
        client.write(b"GET /few/app/hang HTTP/1.1\r\nhost: h\r\n\r\n").await;
        hanging.push(client);
        eventually("it is there", || load().admitted == admitted && load().queued == queued).await;
    }
    let reply = served.get("/few/app/quick").await;
    assert_eq!((reply.status, reply.code().as_str(), reply.header("retry-after")), (429, "concurrency", "1"));
    assert_eq!(served.get("/other/app/quick").await.status, 200, "others are not concerned");
    // One that waits goes: it leaves the queue.
    drop(hanging.pop());
    eventually("one waits", || load().queued == 1).await;
    // The other waits for as long as it may.
    let reply = hanging.pop().unwrap().response(false).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "queue"));
    // Those who run go: there is room again.
    drop(hanging);
    eventually("nobody is left", || load().admitted == 0 && load().queued == 0 && load().queued_bytes == 0).await;
    assert_eq!(served.get("/few/app/quick").await.status, 200);
    assert_eq!(why(&served), ["concurrency", "queue"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_applets_own_bound_is_kept() {
    let served = served(Settings { tenant_queue_max: 1, ..Settings::default() }).await;
    let package = package("app", &ROUTES, "resources: { maxConcurrentRequests: 1 }\n", MAIN);
    served.install("acme", &package);
    let mut first = served.connect().await;
    first.write(b"GET /acme/app/hang HTTP/1.1\r\nhost: h\r\n\r\n").await;
    eventually("it runs", || served.dispatcher.scheduler().load().admitted == 1).await;
    let mut second = served.connect().await;
    second.write(b"GET /acme/app/quick HTTP/1.1\r\nhost: h\r\n\r\n").await;
    eventually("the next waits", || served.dispatcher.scheduler().load().queued == 1).await;
    assert_eq!(served.get("/acme/app/quick").await.status, 429);
    drop(first);
    assert_eq!(second.response(false).await.text(), "\"quick\"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fuel_of_a_minute_is_kept() {
    let served = served(Settings::default()).await;
    let package = package("app", &ROUTES, "", MAIN);
    served.install("free", &package);
    assert_eq!(served.get("/free/app/burn").await.status, 200);
    let burnt = served.records.all()[0].usage.fuel;
    assert!((1_000_000..belljar::TURN_FUEL).contains(&burnt), "the test needs one long turn: {burnt}");
    // It may begin with half of what it needs, and owes the other half then.
    let quota = burnt / 2;
    let little = Quotas { fuel_per_minute_max: Some(quota), ..Quotas::default() };
    served.memory.install(served.dispatcher.host(), "acme", &package, little);
    let begun = std::time::Instant::now();
    assert_eq!(served.get("/acme/app/burn").await.status, 200);
    let reply = served.get("/acme/app/quick").await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "fuel"));
    let wait: f64 = reply.header("retry-after").parse().unwrap();
    // What it has overdrawn comes back at a sixtieth of the quota in a second.
    let expected = (burnt - quota) as f64 / (quota as f64 / 60.0);
    let passed = begun.elapsed().as_secs_f64();
    assert!(wait <= expected + 1.0 && wait >= expected - passed - 1.0, "{wait} for {expected}, {passed} passed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_of_a_processor_is_kept() {
    let served = served(Settings { fuel_per_cpu_second: 100_000_000, ..Settings::default() }).await;
    served.install("acme", &package("app", &ROUTES, "resources: { maxCpuPercent: 20 }\n", MAIN));
    let begun = std::time::Instant::now();
    let mut fuel = 0;
    while fuel < 150_000_000 {
        assert_eq!(served.get("/acme/app/burn").await.status, 200);
        fuel = served.records.all().iter().map(|record| record.usage.fuel).sum();
    }
    // 20 million in a second; a second's worth, or a turn, is there at first, and the last turn may overdraw it.
    let least = (fuel as f64 - 20e6 - 10e6) / 20e6;
    assert!(
        begun.elapsed() >= Duration::from_secs_f64(least * 0.9),
        "{fuel} fuel in {:?}, at least {least} s",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outgoing_traffic_of_a_day_is_kept() {
    let served = served(Settings::default()).await;
    let quotas = Quotas { egress_bytes_per_day_max: Some(1_000), ..Quotas::default() };
    let asks = package("asks", &ROUTES, "permissions: { http: [a.example] }\n", MAIN);
    let quiet = package("quiet", &ROUTES, "", MAIN);
    let active = served.memory.install(served.dispatcher.host(), "acme", &asks, quotas);
    served.memory.install(served.dispatcher.host(), "acme", &quiet, quotas);
    assert_eq!(served.get("/acme/asks/quick").await.status, 200);
    served.budgets.restore(&active.tenant.id, DayUse { egress_bytes: 1_000, ..DayUse::default() });
    let reply = served.get("/acme/asks/quick").await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "egress"));
    assert!(
        reply.header("retry-after").parse::<u64>().is_ok_and(|seconds| (1..=86_400).contains(&seconds)),
        "{reply:?}"
    );
    assert_eq!(served.get("/acme/quiet/quick").await.status, 200, "who sends nothing is not concerned");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_bytes_of_a_day_are_kept() {
    let (budgets, memory): (Arc<Budgets>, _) = (Arc::default(), Arc::new(MemorySink::new(1_000)));
    let log = QuotaLog::new(budgets.clone(), memory.clone());
    let host = host::build(host::builder().log(Arc::new(log)));
    let (config, settings) = (FrontConfig::default(), Settings::default());
    let served = Served::open(Parts { config, settings, host, tls: None, budgets, storage: None }).await;
    let main = "export const says = () => { for (let i = 0; i < 10; i++) console.log('x'.repeat(100)); };";
    let quotas = Quotas { log_bytes_per_day_max: Some(1_000), ..Quotas::default() };
    let package = package("says", &["says GET /, auth: none"], "", main);
    let active = served.memory.install(served.dispatcher.host(), "acme", &package, quotas);
    served.install("other", &package);
    assert_eq!(served.get("/acme/says/").await.status, 204, "the applet does not notice");
    let used = served.budgets.today(&active.tenant.id);
    assert_eq!((used.log_bytes, used.log_lines_dropped, memory.take().len()), (900, 7, 3));
    assert_eq!(served.get("/other/says/").await.status, 204);
    assert_eq!(memory.take().len(), 10);
}

/// What every tenant stores.
struct Stored(AtomicU64);

impl StorageMeter for Stored {
    fn bytes(&self, _: &TenantId) -> Option<u64> {
        Some(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_storage_leaves_room_to_make_room() {
    let stored = Arc::new(Stored(AtomicU64::new(1_000)));
    let parts = Parts {
        config: FrontConfig::default(),
        settings: Settings::default(),
        host: host::shared().clone(),
        tls: None,
        budgets: Arc::default(),
        storage: Some(stored.clone()),
    };
    let served = Served::open(parts).await;
    let quotas = Quotas { storage_bytes_max: Some(1_000), ..Quotas::default() };
    let stores = package("stores", &ROUTES, "permissions: { db: true }\n", MAIN);
    served.memory.install(served.dispatcher.host(), "acme", &stores, quotas);
    served.memory.install(served.dispatcher.host(), "acme", &package("plain", &ROUTES, "", MAIN), quotas);
    let call =
        async |method: &str, applet: &str| served.send(&format!("{method} /acme/{applet}/quick HTTP/1.1"), b"").await;
    assert_eq!(call("POST", "stores").await.status, 200);
    stored.0.store(1_001, Ordering::SeqCst);
    let reply = call("POST", "stores").await;
    assert_eq!((reply.status, reply.code().as_str()), (507, "storage"));
    assert_eq!((call("GET", "stores").await.status, call("DELETE", "stores").await.status), (200, 200));
    assert_eq!(call("POST", "plain").await.status, 200, "who stores nothing is not concerned");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_emergency_stop_ends_what_runs() {
    let served = served(Settings::default()).await;
    let active = served.install("acme", &package("app", &ROUTES, "", MAIN));
    served.install("other", &package("app", &ROUTES, "", MAIN));
    let mut running = Vec::new();
    for tenant in ["acme", "other"] {
        let mut client = served.connect().await;
        client.write(format!("GET /{tenant}/app/hang HTTP/1.1\r\nhost: h\r\n\r\n").as_bytes()).await;
        running.push(client);
    }
    eventually("they run", || served.dispatcher.scheduler().load().admitted == 2).await;
    let stopped = Tenant { is_enabled: false, ..(*active.tenant).clone() };
    served.memory.activate(Active { tenant: stopped.into(), ..(*active).clone() });
    served.dispatcher.end_calls(&active.tenant.id, None);
    let reply = running[0].response(false).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "disabled"));
    assert_eq!(served.get("/acme/app/quick").await.code(), "disabled");
    assert_eq!(
        (served.get("/other/app/quick").await.status, served.dispatcher.in_flight()),
        (200, 1),
        "the other one goes on"
    );
}
