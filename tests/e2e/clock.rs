//! The applet's clock (docs/clock.md): fuel within a slice, the host's time at each resume, never backwards, and the same in each run with
//! the same inputs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use belljar::{Host, Seeded, Source};
use belljar_tests::{applet, host};
use serde_json::Value;

/// 2025-06-15, in microseconds.
const BEGIN_US: u64 = 1_750_000_000_000_000;

/// A host with this clock, and the engine from the shared cache.
fn with(source: impl Source) -> (Host, tempfile::TempDir) {
    let cache = host::private_cache();
    (host::build(Host::builder().cache_dir(cache.path()).source(source)), cache)
}

fn call(host: &Host, main: &str) -> Value {
    let package = applet::package_of("clock", applet::PLAIN, main);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let release = applet::admit(host, applet::tenant(), &package);
    applet::value(&runtime.block_on(applet::call(host, &release, "default", "null")))
}

/// Readings in milliseconds, with work between them: within one slice, and across timers.
const READINGS: &str = "const work = (n: number): number => { let x = 1; for (let i = 0; i < n; i++) x = (x * 31 + i) % 65521; return x; };
export default async () => {
  const read = () => [Date.now(), performance.timeOrigin + performance.now()];
  const slice = [read()];
  for (const n of [1000, 100000, 1000000]) { work(n); slice.push(read()); }
  const later = [read()];
  for (const ms of [0, 1, 30]) { await new Promise((r) => setTimeout(r, ms)); later.push(read()); }
  return { slice, later };
};
";

fn numbers(value: &Value, which: usize) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|pair| pair[which].as_f64().unwrap()).collect()
}

fn steps(value: &Value) -> Vec<i64> {
    // In microseconds, which is what the clock counts.
    numbers(value, 1).windows(2).map(|pair| ((pair[1] - pair[0]) * 1_000.0).round() as i64).collect()
}

#[test]
fn within_a_slice_time_advances_by_fuel_alone() {
    // Two runs by the machine's clock: what one stretch of code reads of its own duration is the same to the microsecond.
    let first = call(host::shared(), READINGS);
    let second = call(host::shared(), READINGS);
    assert_eq!(steps(&first["slice"]), steps(&second["slice"]));
    let steps = steps(&first["slice"]);
    // A thousand times the work is about a thousand times the time.
    assert!(steps[0] > 0 && steps[2] > 500 * steps[0], "{steps:?}");
}

#[test]
fn both_clocks_are_one() {
    let readings = call(host::shared(), READINGS);
    for part in ["slice", "later"] {
        let (dates, precise) = (numbers(&readings[part], 0), numbers(&readings[part], 1));
        for (date, precise) in dates.iter().zip(&precise) {
            // The second is read a little later; Date has whole milliseconds.
            assert!(precise - date > -0.001 && precise - date < 1.1, "{readings}");
        }
        assert!(precise.windows(2).all(|pair| pair[0] <= pair[1]), "{readings}");
    }
}

#[test]
fn a_seeded_clock_repeats_and_timers_still_take_their_time() {
    let run = |at_us: u64| {
        let (host, _cache) = with(Seeded::new(at_us, 7));
        call(&host, READINGS)
    };
    let readings = run(BEGIN_US);
    assert_eq!(readings, run(BEGIN_US));
    // The host's clock is shown in whole milliseconds.
    assert_eq!(readings, run(BEGIN_US + 999));
    assert_ne!(readings, run(BEGIN_US + 1_000));
    let later = numbers(&readings["later"], 0);
    assert!(later[2] - later[1] >= 1.0 && later[3] - later[2] >= 30.0, "{readings}");
    assert_eq!(numbers(&readings["slice"], 0)[0], (BEGIN_US / 1_000) as f64);
}

/// A clock that moves by so much whenever it is read.
struct Moving {
    at_us: AtomicU64,
    by_us: i64,
}

impl Source for Moving {
    fn now_us(&self) -> u64 {
        self.at_us.fetch_add(self.by_us as u64, Ordering::Relaxed)
    }

    fn random(&self, bytes: &mut [u8]) {
        bytes.fill(4);
    }
}

#[test]
fn at_each_resume_time_is_the_hosts() {
    let (host, _cache) = with(Moving { at_us: AtomicU64::new(BEGIN_US), by_us: 3_600_000_000 });
    let readings = call(&host, READINGS);
    let hour = 3_600_000.0;
    // A timer that is due at once runs within the slice; for the other two the host was waited for.
    assert!(numbers(&readings["later"], 0)[1..].windows(2).all(|pair| pair[1] - pair[0] >= hour), "{readings}");
    let slice = numbers(&readings["slice"], 0);
    assert!(slice[3] - slice[0] < hour, "the host's clock is not read within a slice: {readings}");
}

#[test]
fn a_host_clock_that_goes_back_is_not_followed() {
    let (host, _cache) = with(Moving { at_us: AtomicU64::new(BEGIN_US), by_us: -60_000_000 });
    let begun = std::time::Instant::now();
    let readings = call(&host, READINGS);
    for which in [0, 1] {
        for part in ["slice", "later"] {
            assert!(numbers(&readings[part], which).windows(2).all(|pair| pair[0] <= pair[1]), "{readings}");
        }
    }
    // And no timer waits for the time that was lost.
    assert!(begun.elapsed() < Duration::from_secs(20));
}
