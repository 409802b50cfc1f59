//! Events from being published to being handled, each by a fresh sandbox or a batch of them by one, with everything durable: the queue, the
//! dispatcher and the engine as the server has them, in one process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use belljar::{Host, Limits, Release, TenantId};
use belljar_package::Package;
use belljar_server::dispatch::{Budgets, Dispatcher};
use belljar_server::queue::clock::SystemClock;
use belljar_server::queue::{Queue, QueueConfig};
use belljar_server::record::{Ended, InvocationRecord, Recorder};
use belljar_server::schedule::{Scheduler, Settings};
use belljar_server::triggers::publisher::NewEvent;
use belljar_server::triggers::worker::WorkerConfig;
use belljar_server::triggers::{Prepared, Triggers};
use belljar_tests::one_applet::OneApplet;
use serde_json::json;

use crate::sample::Sample;

/// Publishers at the same time.
const PUBLISHERS: u64 = 32;
/// The aim, events each second.
const OFFERED_PER_S: u64 = 3_000;
/// A handler that reads what it gets.
const BUNDLE: &str = "export default (context, payload) => payload.n + 1;\nexport const many = { queue(batch) { let sum = 0; for (const message of batch.messages) sum += message.body.n; return sum; } };\n";

/// Counts calls.
#[derive(Default)]
struct Counted {
    answered: AtomicU64,
    others: AtomicU64,
}

impl Recorder for Counted {
    fn record(&self, record: InvocationRecord) {
        let counter = if matches!(record.ended, Ended::Answered { .. }) { &self.answered } else { &self.others };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn release(batch_max: u32) -> Result<Release> {
    let batch = json!({ "max": batch_max, "wait_ms": if batch_max > 1 { 20 } else { 0 } });
    let export = if batch_max > 1 { "many" } else { "default" };
    let trigger = json!({ "type": "event", "names": ["n"], "attempts": 5, "backoff_ms": 1000, "batch": batch });
    let descriptor = json!({
        "format": 1, "id": "bench", "version": "1.0.0", "name": "bench", "description": null,
        "runtime": { "engine": "wasm", "version": null, "entrypoint": "bench.js", "limits": serde_json::to_value(belljar_package::Limits::default())?, "health_check": null },
        "handlers": [{ "name": "on", "export": export, "trigger": trigger }],
        "permissions": { "db": false, "http": [], "events_publish": [], "events_subscribe": ["n"], "secrets": [], "kv": false, "jobs": false },
    });
    let package = Package {
        descriptor: serde_json::from_value(descriptor)?,
        bundle: BUNDLE.into(),
        source_map: r#"{"version":3,"sources":[],"names":[],"mappings":""}"#.into(),
        files: Default::default(),
    };
    Ok(Release::admit_all(TenantId::new("bench")?, &package.encode()?, &Limits::default())?)
}

/// `events` events each way, and what it took.
pub(crate) fn run(events: u64) -> Result<()> {
    println!(
        "| handler | offered | events | published/s | handled/s | publish p50 ms | p99 ms | max ms |\n|---|---|---:|---:|---:|---:|---:|---:|"
    );
    for (batch_max, offered_per_s) in [(1, None), (1, Some(OFFERED_PER_S)), (50, None), (50, Some(OFFERED_PER_S))] {
        measure(events, batch_max, offered_per_s)?;
    }
    Ok(())
}

/// With `offered_per_s` events come at that rate, whatever becomes of those before; without, as fast as they are taken.
fn measure(events: u64, batch_max: u32, offered_per_s: Option<u64>) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let queue = QueueConfig {
            deliveries_per_tenant_max: 10_000_000,
            bytes_per_tenant_max: 1 << 40,
            ..QueueConfig::default()
        };
        let queue = Queue::open(&dir.path().join("queue.sqlite"), queue, Arc::new(SystemClock::default()))?;
        let one = Arc::new(OneApplet::new(release(batch_max)?));
        let prepared = Prepared::new(queue, one.clone(), one.clone()).await?;
        let host = Host::builder()
            .cache_dir(dir.path().join("cache"))
            .events(prepared.publisher().clone())
            .jobs(prepared.publisher().clone())
            .build()?;
        host.prepare(one.release()).await.map_err(|fault| anyhow::anyhow!("{fault}"))?;
        let counted = Arc::new(Counted::default());
        let dispatcher = Dispatcher::new(
            host,
            Scheduler::new(Settings::default()),
            counted.clone(),
            Arc::new(Budgets::default()),
            None,
        );
        let triggers = Arc::new(prepared.start(dispatcher, WorkerConfig::default()));
        // Warm.
        publish_all(&triggers, 1_000, None).await?;
        handled(&triggers).await?;
        let begun = Instant::now();
        let sample = publish_all(&triggers, events, offered_per_s).await?;
        let published = begun.elapsed();
        handled(&triggers).await?;
        let all = begun.elapsed();
        ensure!(counted.others.load(Ordering::Relaxed) == 0, "some calls were not answered");
        let per_s = |time: Duration| events as f64 / time.as_secs_f64();
        let ms = |at| sample.us(at) / 1e3;
        let name = if batch_max > 1 { format!("batches of {batch_max}") } else { "one sandbox each".to_owned() };
        println!(
            "| {name} | {} | {events} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} |",
            offered_per_s.map_or("as fast as they are taken".to_owned(), |rate| format!("{rate}/s")),
            per_s(published),
            per_s(all),
            ms(0.5),
            ms(0.99),
            ms(1.0)
        );
        triggers.stop(Duration::from_secs(10)).await;
        anyhow::Ok(())
    })
}

/// Publishes from several tasks; answers how long each took until it was acknowledged.
async fn publish_all(triggers: &Arc<Triggers>, events: u64, offered_per_s: Option<u64>) -> Result<Sample> {
    let start = Instant::now();
    let publishing = (0..PUBLISHERS).map(|publisher| {
        let triggers = triggers.clone();
        tokio::spawn(async move {
            let mut times = Vec::new();
            for n in (publisher..events).step_by(PUBLISHERS as usize) {
                let event = NewEvent {
                    tenant: "bench".into(),
                    name: "n".into(),
                    payload: json!({ "n": n, "text": "some eighty bytes of text that an event has to tell to whoever handles it" }).to_string(),
                    source: "bench".into(),
                    ..NewEvent::default()
                };
                let begun = match offered_per_s {
                    Some(rate) => start + Duration::from_micros(n * 1_000_000 / rate),
                    None => Instant::now(),
                };
                // Late ones count from when they should have come.
                tokio::time::sleep_until(begun.into()).await;
                triggers.publisher().publish(event).await?;
                times.push(begun.elapsed());
            }
            anyhow::Ok(times)
        })
    });
    let mut sample = Sample::default();
    for publisher in publishing.collect::<Vec<_>>() {
        publisher.await??.into_iter().for_each(|time| sample.add(time));
    }
    Ok(sample)
}

/// Waits until nothing is left to do.
async fn handled(triggers: &Triggers) -> Result<()> {
    let begun = Instant::now();
    loop {
        let counts = triggers.queue().counts(None).await?;
        if counts.iter().all(|count| count.state.has_ended()) {
            return Ok(());
        }
        (begun.elapsed() < Duration::from_secs(300))
            .then_some(())
            .context("the events are not handled within 300 s")?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
