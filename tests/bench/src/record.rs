//! What recording costs an invocation: the same applet, called in turn with policy `never` and `always` on one host, whose recordings go to a
//! folder. What the recorder's thread does beside is not the invocation's.

use std::time::Instant;

use anyhow::{Result, ensure};
use belljar::{Invocation, Payload, RecordPolicy, Recorder, RecordingFolder};
use belljar_tests::{applet, host};

use crate::sample::Sample;

/// Pairs of calls that are measured, after those that warm up.
const CALLS: usize = 4_000;
const WARM: usize = 200;
/// Bytes of the folder: the oldest go, as on a server.
const FOLDER_BYTES_MAX: u64 = 64 << 20;

const MANIFEST: &str = "runtime: { entrypoint: src/main.ts }\npermissions: { db: true }\n";
/// Logs, queries, and answers JSON.
const APPLET: &str = "export default async (context, order) => {
  context.sdk.log.info('asked', { order });
  const rows = await context.sdk.db.query('SELECT ? AS id, 4200 AS cents', [order.id]);
  return { rows, at: Date.now() };
};";

/// Prints one table.
pub(crate) fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let sink = RecordingFolder::open(folder.path().join("recordings"), FOLDER_BYTES_MAX)?;
    let recorder = Recorder::new(sink);
    let host = host::builder().recorder(recorder.clone()).build()?;
    let release = applet::admit(&host, applet::tenant(), &applet::package_of("log-query-json", MANIFEST, APPLET));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let call = |number: usize, policy: RecordPolicy| {
        let mut invocation = Invocation::new("default", Payload::Json(format!("{{\"id\":{number},\"sku\":\"A-1\"}}")));
        invocation.record = Some(policy);
        runtime.block_on(host.invoke(&release, invocation))
    };
    let mut samples = [Sample::default(), Sample::default()];
    let begun = Instant::now();
    for number in 0..WARM + CALLS {
        // Each goes first as often as the other.
        for side in [number % 2, 1 - number % 2] {
            let policy = [RecordPolicy::Never, RecordPolicy::Always][side];
            let at = Instant::now();
            let outcome = call(number, policy);
            ensure!(outcome.result.is_ok(), "{:?}", outcome.result);
            if number >= WARM {
                samples[side].add(at.elapsed());
            }
        }
    }
    recorder.flush();
    ensure!(recorder.dropped() == 0, "{} recordings were dropped", recorder.dropped());
    println!(
        "applet log-query-json, sink RecordingFolder, {CALLS} pairs of calls in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    println!("\n| policy | p50 µs | p90 µs |\n|---|---:|---:|");
    for (name, side) in [("never", 0), ("always", 1)] {
        println!("| {name} | {:.1} | {:.1} |", samples[side].us(0.5), samples[side].us(0.9));
    }
    println!("\nmore with `always`: {:.1} % of the median", (samples[1].us(0.5) / samples[0].us(0.5) - 1.0) * 100.0);
    Ok(())
}
