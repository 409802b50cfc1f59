//! One of the processes that `e2e/repeat.rs` compares: takes a program a line, `{"number", "source"}`, and answers what came of it. Its kv store
//! takes its time, now less and now more, and with `--load N` as many threads keep the processors busy meanwhile.
//!
//! `--mutant NAME` is a host with a fault that the comparison has to find: `clock` shows the machine's time, `random` the machine's randomness,
//! `order` delivers what completes first first.

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use belljar::{
    Evaluation, Grants, Host, KvAnswer, KvBounds, KvEntry, KvOperation, KvOwner, KvStore, KvUsed, Limits, MemorySink,
    Program, ProgramKind, Seeded, Source, SqliteKv, System, TenantId, Virtual,
};
use belljar_tests::host;
use serde_json::{Value, json};

const NOW_US: u64 = 1_767_225_600_000_000;
const SEED: u64 = 11;
const LINES_MAX: usize = 10_000;
/// The longest that the kv store takes its time, microseconds.
const DELAY_US_MAX: u64 = 1_500;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let load: usize = option("--load").map_or(0, |n| n.parse().expect("a number"));
    for _ in 0..load {
        std::thread::spawn(|| {
            let mut n = 0_u64;
            loop {
                n = std::hint::black_box(n.wrapping_mul(31).wrapping_add(7));
            }
        });
    }
    let sink = MemorySink::new(LINES_MAX);
    let mutant = option("--mutant").map(String::as_str);
    let mut host = make(mutant, &sink);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2 + load).enable_all().build().expect("a runtime");
    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line.expect("the parent's line")).expect("JSON");
        if mutant.is_some() {
            // What is shared by all invocations of a host would show the fault in those that do not have it.
            host = make(mutant, &sink);
        }
        let answer = runtime.block_on(run(&host, &sink, &asked));
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}").and_then(|()| out.flush()).expect("the parent reads");
    }
    // Threads that spin end with the process.
    std::process::exit(0);
}

/// The host; deterministic, but for a mutant's fault.
fn make(mutant: Option<&str>, sink: &MemorySink) -> Host {
    let builder = host::builder().kv(Arc::new(Slow(SqliteKv::in_memory()))).log(Arc::new(sink.clone()));
    host::build(match mutant {
        None => builder.deterministic(NOW_US, SEED),
        Some("clock") => builder.source(Clock(virtual_time())),
        Some("random") => builder.source(Random(virtual_time())),
        Some("order") => builder.source(Seeded::new(NOW_US, SEED)),
        Some(other) => panic!("there is no mutant {other:?}"),
    })
}

/// All that is to repeat: everything but the wall clock and the name of the run.
async fn run(host: &Host, sink: &MemorySink, asked: &Value) -> Value {
    let source = asked["source"].as_str().expect("a program").to_owned();
    let program = Program { kind: ProgramKind::Module, name: "generated.mjs".into(), source, locales: Vec::new() };
    let grants = Grants { db: true, kv: true, log: true, ..Grants::default() };
    let limits = Limits { fuel_max: 2_000_000_000, deadline_ms: 120_000, ..Limits::default() };
    // Each program finds nothing of the others.
    let tenant = TenantId::new(format!("program-{}", asked["number"])).expect("a valid name");
    let outcome = host.run(Evaluation { program, grants, limits, modules: None, tenant }).await;
    let mut usage = serde_json::to_value(&outcome.usage).expect("plain data");
    usage["wall_us"] = Value::Null;
    let result = match &outcome.result {
        Ok(_) => json!("done"),
        Err(fault) => serde_json::to_value(fault).expect("plain data"),
    };
    let log = sink.take().into_iter().map(|line| json!([line.level.as_str(), line.message, line.fields, line.time_us]));
    json!({ "result": result, "usage": usage, "log": log.collect::<Vec<_>>() })
}

fn virtual_time() -> Virtual {
    Virtual::new(NOW_US, SEED).with_fuel_clock()
}

/// Shows a little of the machine's time.
struct Clock(Virtual);

impl Source for Clock {
    fn now_us(&self) -> u64 {
        self.0.now_us() + System.now_us() % 100 * 1_000
    }

    fn random(&self, bytes: &mut [u8]) {
        self.0.random(bytes);
    }

    fn virtual_time(&self) -> Option<&Virtual> {
        Some(&self.0)
    }
}

/// Has the machine's randomness for what is longer than a number.
struct Random(Virtual);

impl Source for Random {
    fn now_us(&self) -> u64 {
        self.0.now_us()
    }

    fn random(&self, bytes: &mut [u8]) {
        if bytes.len() > 8 { System.random(bytes) } else { self.0.random(bytes) }
    }

    fn virtual_time(&self) -> Option<&Virtual> {
        Some(&self.0)
    }
}

/// A store that takes its time, which is another one for each operation and in each run.
struct Slow(SqliteKv);

impl KvStore for Slow {
    fn run(&self, owner: KvOwner, operation: KvOperation, bounds: KvBounds, now_ms: u64) -> KvAnswer<'_> {
        let mut drawn = [0; 8];
        System.random(&mut drawn);
        let delay = Duration::from_micros(u64::from_le_bytes(drawn) % DELAY_US_MAX);
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            self.0.run(owner, operation, bounds, now_ms).await
        })
    }

    fn used(&self, tenant: Option<&TenantId>) -> std::io::Result<Vec<KvUsed>> {
        self.0.used(tenant)
    }

    fn delete_all(&self, owner: &KvOwner) -> std::io::Result<u64> {
        self.0.delete_all(owner)
    }

    fn export(
        &self,
        owner: &KvOwner,
        now_ms: u64,
        each: &mut dyn FnMut(KvEntry) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        self.0.export(owner, now_ms, each)
    }

    fn import(&self, owner: &KvOwner, entries: Vec<KvEntry>) -> std::io::Result<()> {
        self.0.import(owner, entries)
    }
}
