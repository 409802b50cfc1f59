//! Every figure the project quotes, measured in one run: Belljar and native QuickJS take turns, so that both see the same machine.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use belljar::{Evaluation, Grants, Limits, Program, ProgramKind, TenantId};
use belljar_package::HttpRule;

use crate::Workload;
use crate::native;
use crate::ours::Bench;
use crate::sample::{Sample, memory_kib, pages_written};
use crate::speed;

/// Calls of each engine and workload.
const CALLS: usize = 2_000;
/// Applets called in turn.
const IN_TURN: usize = 200;
/// Applets prepared for the figure of memory.
const PREPARED: usize = 1_000;
/// Instances that wait at the same time.
const WAITING: usize = 5_000;
/// Time the slow server takes.
const SLOW: Duration = Duration::from_millis(100);

/// Prints all tables. `folder` (or its folder `applets`) holds further applets, each `NAME.js` with `NAME.json`.
pub(crate) fn run(folder: Option<&str>) -> Result<()> {
    let bench = Bench::new()?;
    println!("engine {}, dirty pages only: {}\n", bench.host.engine_digest(), bench.host.restores_dirty_pages_only());
    println!(
        "| workload | native QuickJS p50 / p99 µs | Belljar p50 / p99 µs | ratio of p50 | fuel |\n|---|---:|---:|---:|---:|"
    );
    let workloads = workloads(folder)?;
    let mut single = 0.0;
    for workload in &workloads {
        let p50 = fresh(&bench, workload)?;
        if single == 0.0 {
            single = p50;
        }
    }
    in_turn(&bench, &workloads[0], single)?;
    speed::run(&bench, folder)?;
    crate::crypto::run(&bench)?;
    prepare(&bench)?;
    overlapping(&bench)?;
    waiting(&bench)?;
    pages(None)?;
    memory(&workloads[0])?;
    process()
}

/// A small transformation of JSON.
pub(crate) fn own_transform() -> Workload {
    Workload {
        name: "transform (ours)".into(),
        source: include_str!("../workloads/transform.js").into(),
        input: include_str!("../workloads/transform.json").into(),
    }
}

fn workloads(folder: Option<&str>) -> Result<Vec<Workload>> {
    let mut all = vec![own_transform()];
    let folders =
        folder.into_iter().flat_map(|folder| [Path::new(folder).to_owned(), Path::new(folder).join("applets")]);
    for entry in folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten() {
        let path = entry?.path();
        let input = path.with_extension("json");
        if path.extension().is_some_and(|e| e == "js") && input.is_file() {
            all.push(Workload::read(&path.to_string_lossy(), &input.to_string_lossy())?);
        }
    }
    all[1..].sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// A fresh sandbox for each call against a new native runtime for each call, taking turns.
fn fresh(bench: &Bench, workload: &Workload) -> Result<f64> {
    let release = bench.release(workload, 0)?;
    let payload = serde_json::to_string(&workload.input)?;
    let (mut ours, mut theirs, mut fuel) = (Sample::default(), Sample::default(), 0);
    let expected = serde_json::to_string(&native::once(workload)?)?;
    for round in 0..CALLS / 50 + 1 {
        for _ in 0..50 {
            let begun = Instant::now();
            let answer;
            (answer, fuel) = bench.runtime.block_on(bench.invoke(&release, &payload))?;
            let time = begun.elapsed();
            ensure!(answer == expected, "the two engines answer differently");
            // The first round warms both up.
            if round > 0 {
                ours.add(time);
            }
        }
        for _ in 0..50 {
            let begun = Instant::now();
            native::once(workload)?;
            if round > 0 {
                theirs.add(begun.elapsed());
            }
        }
    }
    println!(
        "| {} | {:.0} / {:.0} | {:.0} / {:.0} | {:.2} | {fuel} |",
        workload.name,
        theirs.us(0.5),
        theirs.us(0.99),
        ours.us(0.5),
        ours.us(0.99),
        ours.us(0.5) / theirs.us(0.5)
    );
    Ok(ours.us(0.5))
}

fn in_turn(bench: &Bench, workload: &Workload, single_us: f64) -> Result<()> {
    let payload = serde_json::to_string(&workload.input)?;
    let releases = (0..IN_TURN).map(|n| bench.release(workload, n)).collect::<Result<Vec<_>>>()?;
    let mut times = Sample::default();
    bench.runtime.block_on(async {
        for round in 0..10 {
            for release in &releases {
                let begun = Instant::now();
                bench.invoke(release, &payload).await?;
                if round > 1 {
                    times.add(begun.elapsed());
                }
            }
        }
        anyhow::Ok(())
    })?;
    let (p50, p99) = (times.us(0.5), times.us(0.99));
    println!("\n{IN_TURN} applets in turn: p50 {p50:.0} µs, p99 {p99:.0} µs, {:.2} times one applet", p50 / single_us);
    Ok(())
}

/// A bundle of 20 KB, different each time, so that no image is found in the cache.
fn prepare(bench: &Bench) -> Result<()> {
    let mut times = Sample::default();
    let mut bytes = 0;
    for number in 0..100 {
        let mut source = String::from("globalThis.handle = (text) => text;\n");
        let mut i = 0;
        while source.len() < 20_000 {
            source.push_str(&format!(
                "export function f{i}(items) {{ return items.filter((x) => x.value > {i}).map((x) => ({{ ...x, key: `k{i}-${{x.name}}` }})); }}\nconst table{i} = new Map([['a{i}', {i}]]);\n"
            ));
            i += 1;
        }
        bytes = source.len();
        let workload = Workload { name: String::new(), source, input: String::new() };
        let release = bench.release(&workload, number)?;
        times
            .time(|| bench.runtime.block_on(bench.host.prepare(&release)))
            .map_err(|fault| anyhow::anyhow!("{fault}"))?;
    }
    println!(
        "preparing a bundle of {bytes} bytes: p50 {:.1} ms, p99 {:.1} ms",
        times.us(0.5) / 1e3,
        times.us(0.99) / 1e3
    );
    Ok(())
}

/// A server on loopback that answers each request after `SLOW`, each on a thread of its own.
fn slow_server() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut stream = stream;
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).is_ok_and(|n| n > 0) {
                    std::thread::sleep(SLOW);
                    if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(port)
}

fn overlapping(bench: &Bench) -> Result<()> {
    let port = slow_server()?;
    let cache = bench.cache.path().join("cache");
    let http = belljar::HttpConfig { test_hosts: vec![format!("localhost:{port}")], ..Default::default() };
    let host = belljar::Host::builder().cache_dir(cache).http(http).build()?;
    let source = format!(
        "const all = await Promise.all(Array.from({{ length: 50 }}, (_, i) => fetch('http://localhost:{port}/' + i)));\n\
         if (!all.every((r) => r.status === 200)) throw new Error('not all answered');"
    );
    let mut times = Sample::default();
    for _ in 0..10 {
        let rule = HttpRule { host: "localhost".into(), ports: vec![port], methods: vec![], allow_http: true };
        let evaluation = Evaluation {
            program: Program {
                kind: ProgramKind::Module,
                name: "fetch.mjs".into(),
                source: source.clone(),
                locales: Vec::new(),
            },
            grants: Grants { http: vec![rule], ..Default::default() },
            limits: Limits::default(),
            modules: None,
            tenant: TenantId::new("bench")?,
        };
        let outcome = times.time(|| bench.runtime.block_on(host.run(evaluation)));
        outcome.result.map_err(|fault| anyhow::anyhow!("{fault}"))?;
    }
    println!(
        "50 overlapping fetches of {} ms: p50 {:.0} ms, p99 {:.0} ms",
        SLOW.as_millis(),
        times.us(0.5) / 1e3,
        times.us(0.99) / 1e3
    );
    Ok(())
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Instances that wait for a timer: what each costs while it waits.
fn waiting(bench: &Bench) -> Result<()> {
    let workload = Workload {
        name: String::new(),
        source: "globalThis.handle = () => new Promise((resolve) => setTimeout(() => resolve('done'), 15000));".into(),
        input: String::new(),
    };
    let release = bench.release(&workload, 0)?;
    bench.runtime.block_on(bench.host.prepare(&release)).map_err(|fault| anyhow::anyhow!("{fault}"))?;
    let ((rss, _), threads_before) = (memory_kib(), threads());
    let line = bench.runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..WAITING {
            let (host, release) = (bench.host.clone(), release.clone());
            let invocation = belljar::Invocation::new("default", belljar::Payload::Json("null".into()));
            tasks.spawn(async move { host.invoke(&release, invocation).await.result.is_ok() });
        }
        // Long enough for all to have started, short enough for none to be done.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let ((rss_now, _), threads_now) = (memory_kib(), threads());
        let mut ok = 0;
        while let Some(done) = tasks.join_next().await {
            ok += usize::from(done?);
        }
        ensure!(ok == WAITING, "{} of {WAITING} waiting instances failed", WAITING - ok);
        anyhow::Ok(format!(
            "{WAITING} waiting instances: {:.0} KiB each, {threads_before} threads before, {threads_now} while they wait",
            rss_now.saturating_sub(rss) as f64 / WAITING as f64
        ))
    })?;
    println!("{line}");
    Ok(())
}

/// Pages that one call writes to: of a handler that does next to nothing, or of `workload`. In a host of its own, whose one warm slot then
/// has just those.
pub(crate) fn pages(workload: Option<&Workload>) -> Result<()> {
    let bench = Bench::new()?;
    let (name, release, payload) = match workload {
        Some(workload) => {
            (workload.name.as_str(), bench.release(workload, 0)?, serde_json::to_string(&workload.input)?)
        }
        None => {
            let trivial = bench.release_of("export default (context, payload) => ({ hello: payload.name });")?;
            ("a trivial handler", trivial, r#"{"name":"Ada"}"#.into())
        }
    };
    let before = pages_written();
    bench.runtime.block_on(bench.invoke(&release, &payload))?;
    println!("{name}: {} pages written to", pages_written() - before);
    Ok(())
}

/// Resident set and files of many prepared applets; in a host of its own, so that nothing else is counted.
fn memory(workload: &Workload) -> Result<()> {
    let bench = Bench::new()?;
    let figures = bench.mem(workload, PREPARED)?;
    let kib = |name: &str| figures[name].as_f64().unwrap_or(0.0);
    let (rss, private) = (kib("per_vm_rss_kb"), kib("per_vm_private_kb"));
    let (file, memory) = (kib("per_vm_image_file_kb"), kib("per_vm_memory_file_kb"));
    // What is mapped of the files in memory is part of the resident set: each page is counted once.
    println!(
        "{PREPARED} prepared applets: {private:.0} KiB of their own + {memory:.0} KiB of images in memory + {file:.0} KiB image file = {:.0} KiB each (resident set, of which part is the images': {rss:.0})",
        private + memory + file
    );
    Ok(())
}

/// The whole process of running a built, prepared package. `BELLJAR_BIN` names the command.
fn process() -> Result<()> {
    let (Some(belljar), pricing) = (std::env::var_os("BELLJAR_BIN"), Path::new("examples/pricing")) else {
        println!("`belljar run`: not measured (BELLJAR_BIN names no command)");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let package = dir.path().join("pricing.belljar");
    let built =
        Command::new(&belljar).arg("build").arg(pricing).arg("-o").arg(&package).output().context("belljar build")?;
    ensure!(built.status.success(), "belljar build: {}", String::from_utf8_lossy(&built.stderr));
    let payload =
        std::fs::read_to_string(pricing.join("samples/order.json")).context("examples/pricing/samples/order.json")?;
    let mut times = Sample::default();
    for round in 0..21 {
        let begun = Instant::now();
        let ran = Command::new(&belljar)
            .arg("run")
            .arg(&package)
            .arg("--payload")
            .arg(&payload)
            .current_dir(dir.path())
            .output()?;
        ensure!(ran.status.success(), "belljar run: {}", String::from_utf8_lossy(&ran.stderr));
        if round > 0 {
            times.add(begun.elapsed());
        }
    }
    println!(
        "`belljar run` of a built, prepared package, whole process: p50 {:.1} ms, p99 {:.1} ms",
        times.us(0.5) / 1e3,
        times.us(0.99) / 1e3
    );
    Ok(())
}
