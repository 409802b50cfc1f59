//! An applet in a Bun process, and the same handler in a bare Bun server beside it in the same run: what the host adds to a call, requests
//! and pages in a second.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use belljar::process_engine::{Jail, Require, RuntimeKind, RuntimeSearch};
use belljar::{Collected, Host, Invocation, Limits, Payload, ProcessConfig, Release, Request, Response, TenantId};
use belljar_package::{Engine, Package, Trigger};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::Workload;
use crate::load::{Load, Order};
use crate::ours::package_of;
use crate::sample::Sample;
use crate::server::{CONNECTIONS, Server, http_bundle, put_load};

/// Calls of one round of one side, and rounds in which the sides take turns.
const CALLS: usize = 2_000;
const ROUNDS: usize = 5;
/// Pages of one round: the sandbox takes its time.
const PAGES: usize = 400;
/// Calls at the same time, for the figure of throughput.
const TOGETHER: usize = 16;

/// Measures `workload`, and the first page of the package at `page`, if there is one.
pub(crate) fn run(workload: &Workload, page: Option<&Path>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let dir = TempDir::new()?;
    let config = ProcessConfig { packages: packages(), ..ProcessConfig::new(dir.path().join("p")) };
    let found = runtime.block_on(RuntimeSearch { packages: packages(), ..RuntimeSearch::new(RuntimeKind::Bun) }.find());
    let bun = found.map_err(|error| anyhow!("{error}: `cargo xtask setup --runtimes` installs it"))?;
    let limits = Limits { process_memory_bytes_max: 1 << 30, ..Limits::default() };
    let host = Host::builder().cache_dir(dir.path().join("cache")).limits(limits).processes(config).build()?;

    let package = on_bun(&package_of(&http_bundle(workload), "app0", true)?)?;
    let bare = Bare::start(&bun.program, &package.bundle, "default", dir.path())?;
    let ours = Side::ours(&host, &package, "default", "POST", &workload.input)?;
    println!("\n{} in Bun {}: medians of {ROUNDS} rounds of {CALLS} calls\n", workload.name, bun.version);
    compare(
        &runtime,
        &[("Belljar, `Host::invoke`", ours), ("bare Bun, unix socket", bare.side("POST", &workload.input))],
        CALLS,
        0.7,
    )?;
    served(workload, &package, &bare)?;
    drop(bare);

    if let Some(page) = page {
        let package = on_bun(&std::fs::read(page).with_context(|| page.display().to_string())?)?;
        let handler =
            package.descriptor.handlers.iter().find(|handler| matches!(handler.trigger, Trigger::Render { .. }));
        let handler = handler.context("the package has no page")?;
        let bare = Bare::start(&bun.program, &package.bundle, &handler.export, dir.path())?;
        let mut sandboxed = package.clone();
        sandboxed.descriptor.runtime.engine = Engine::Wasm;
        println!("\npage {} of {}: medians of {ROUNDS} rounds of {PAGES} pages\n", handler.name, package.descriptor.id);
        let sides = [
            ("Belljar, Bun", Side::ours(&host, &package, &handler.name, "GET", "")?),
            ("bare Bun, unix socket", bare.side("GET", "")),
            ("Belljar, sandbox", Side::ours(&host, &sandboxed, &handler.name, "GET", "")?),
        ];
        compare(&runtime, &sides, PAGES, 0.85)?;
    }
    runtime.block_on(host.shutdown_processes());
    Ok(())
}

/// A program that computes for a while: numbers, objects, JSON, strings, a regular expression.
const LONG: &str = "export default () => {
  let n = 0;
  for (let i = 0; i < 3_000_000; i++) n = (n * 31 + i) % 1_000_003;
  const rows = Array.from({ length: 2_000 }, (_, id) => ({ id, name: `row ${id}`, tags: ['a', 'b', `${id % 7}`], total: id * 1.5 }));
  for (let i = 0; i < 10; i++) n += JSON.parse(JSON.stringify(rows)).filter((row) => /7$/.test(row.name)).map((row) => row.total).reduce((a, b) => a + b, 0);
  const counted = new Map();
  for (const row of rows) for (const tag of row.tags) counted.set(tag, (counted.get(tag) ?? 0) + 1);
  return n + counted.size;
};
";

/// The same applet on every engine that is here: first answer, calls, long computations, memory, pages.
pub(crate) fn engines(workload: &Workload, page: Option<&Path>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let dir = TempDir::new()?;
    let config = || {
        let mut config = ProcessConfig { packages: packages(), ..ProcessConfig::new(dir.path().join("p")) };
        if let Some(belljar) = std::env::var_os("BELLJAR_BIN") {
            config.jail = Some(Jail::new(vec![belljar, "jail".into()], Require::BestEffort));
        }
        config
    };
    let host = || {
        let limits = Limits { process_memory_bytes_max: 1 << 30, ..Limits::default() };
        Host::builder().cache_dir(dir.path().join("cache")).limits(limits).processes(config()).build()
    };
    // The engine is compiled once, whatever is measured first.
    drop(host()?);
    println!(
        "\n| engine | first answer ms | p50 µs | calls/s, {TOGETHER} at a time | long computation ms | resident MiB | pages/s |\n|---|---:|---:|---:|---:|---:|---:|"
    );
    for engine in [Engine::Wasm, Engine::Bun, Engine::Node, Engine::Deno] {
        let Ok(version) = runtime.block_on(belljar::engine_version(Some(&config()), engine, None)) else { continue };
        let of = |package: &[u8]| -> Result<Package> {
            let mut package = Package::decode(package)?;
            package.descriptor.runtime.engine = engine;
            Ok(package)
        };
        let package = of(&package_of(&http_bundle(workload), "app0", true)?)?;
        let host = host()?;
        let mut first = Vec::new();
        // The first of them also looks for the runtime.
        for number in 0..6 {
            let mut package = package.clone();
            package.bundle.push_str(&format!("export const number = {number};\n"));
            let side = Side::ours(&host, &package, "default", "POST", &workload.input)?;
            let answered = runtime.block_on(side.one_by_one(1))?.us(0.5) / 1e3;
            runtime.block_on(host.shutdown_processes());
            if number > 0 {
                first.push(answered);
            }
        }
        first.sort_by(f64::total_cmp);
        let side = Side::ours(&host, &package, "default", "POST", &workload.input)?;
        let (_, alone, rate) = runtime.block_on(async {
            anyhow::Ok((side.one_by_one(CALLS).await?, side.one_by_one(CALLS).await?, side.together(CALLS * 2).await?))
        })?;
        let resident =
            host.process_status().iter().flat_map(|one| one.status.processes.clone()).map(resident_mib).sum::<f64>();
        let resident = if resident > 0.0 { format!("{resident:.0}") } else { "–".into() };
        let long = Side::ours(&host, &of(&package_of(LONG, "app1", true)?)?, "default", "POST", "")?;
        let long = runtime.block_on(async { anyhow::Ok((long.one_by_one(3).await?, long.one_by_one(9).await?).1) })?;
        let pages = match page {
            None => "–".into(),
            Some(page) => {
                let package = of(&std::fs::read(page)?)?;
                let handler = package
                    .descriptor
                    .handlers
                    .iter()
                    .find(|handler| matches!(handler.trigger, Trigger::Render { .. }));
                let handler = handler.context("the package has no page")?.name.clone();
                let side = Side::ours(&host, &package, &handler, "GET", "")?;
                let rate = runtime
                    .block_on(async { anyhow::Ok((side.together(PAGES).await?, side.together(PAGES).await?).1) })?;
                format!("{rate:.0}")
            }
        };
        let name = format!("{engine:?}").to_lowercase();
        println!(
            "| {name} {version} | {:.1} | {:.0} | {rate:.0} | {:.1} | {resident} | {pages} |",
            first[2],
            alone.us(0.5),
            long.us(0.5) / 1e3
        );
        runtime.block_on(host.shutdown_processes());
    }
    Ok(())
}

/// Resident memory of a process group's leader and its children.
fn resident_mib(process: u32) -> f64 {
    let read = |process: u32| std::fs::read_to_string(format!("/proc/{process}/statm")).ok();
    let pages =
        |text: String| text.split_whitespace().nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or_default();
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let below: f64 = children.split_whitespace().filter_map(|child| child.parse().ok()).map(resident_mib).sum();
    read(process).map_or(0.0, pages) * 4.0 / 1024.0 + below
}

fn packages() -> Vec<PathBuf> {
    match std::env::var("BELLJAR_RUNTIME_PACKAGES") {
        Ok(set) => set.split(',').map(PathBuf::from).collect(),
        Err(_) => {
            let runtimes = PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/belljar/runtimes");
            vec![runtimes.join("bun"), runtimes.join("deno")]
        }
    }
}

fn on_bun(encoded: &[u8]) -> Result<Package> {
    let mut package = Package::decode(encoded)?;
    package.descriptor.runtime.engine = Engine::Bun;
    Ok(package)
}

/// One of those that are compared.
#[derive(Clone)]
enum Side {
    /// Called through the library.
    Ours { host: Host, release: Arc<Release>, handler: String, method: &'static str, body: String },
    /// Asked over its socket.
    Bare { socket: PathBuf, method: &'static str, body: String },
}

impl Side {
    fn ours(host: &Host, package: &Package, handler: &str, method: &'static str, body: &str) -> Result<Self> {
        let release = Release::admit_all(TenantId::new("bench")?, &package.encode()?, host.limits())?;
        Ok(Self::Ours {
            host: host.clone(),
            release: Arc::new(release),
            handler: handler.into(),
            method,
            body: body.into(),
        })
    }

    /// `calls` of them, one after the other.
    async fn one_by_one(&self, calls: usize) -> Result<Sample> {
        let mut sample = Sample::default();
        match self {
            Self::Ours { host, release, handler, method, body } => {
                for _ in 0..calls {
                    let begun = Instant::now();
                    let request = Request {
                        method: (*method).into(),
                        url: "https://bench.example/bench/app0/".into(),
                        headers: vec![("content-type".into(), "application/json".into())],
                        body: body.clone().into(),
                    };
                    let mut invocation = Invocation::new(handler.clone(), Payload::Request(request));
                    invocation.permissions = vec!["finance.read".into(), "finance.write".into()];
                    let mut collected = Collected::default();
                    let outcome = host.invoke_streaming(release, invocation, &mut collected).await;
                    let status = match outcome.result {
                        Ok(Response::Http(reply)) => reply.status,
                        Ok(Response::Streamed(reply)) => reply.status,
                        Ok(Response::Value(Some(_))) => 200,
                        other => bail!("{other:?}"),
                    };
                    ensure!(status == 200, "{status}");
                    sample.add(begun.elapsed());
                }
            }
            Self::Bare { socket, method, body } => {
                let (socket, method, body) = (socket.clone(), *method, body.clone());
                return tokio::task::spawn_blocking(move || ask_bare(&socket, method, &body, calls)).await?;
            }
        }
        Ok(sample)
    }

    /// Calls in a second, of many at the same time.
    async fn together(&self, calls: usize) -> Result<f64> {
        let begun = Instant::now();
        let each = calls / TOGETHER;
        let tasks: Vec<_> = (0..TOGETHER)
            .map(|_| {
                let side = self.clone();
                tokio::spawn(async move { side.one_by_one(each).await })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        Ok((each * TOGETHER) as f64 / begun.elapsed().as_secs_f64())
    }
}

/// Latency one by one and throughput together, taking turns. The second side is what the others are held against.
fn compare(runtime: &Runtime, sides: &[(&str, Side)], calls: usize, aim: f64) -> Result<()> {
    let mut latency: Vec<Vec<f64>> = vec![Vec::new(); sides.len()];
    let mut tails = latency.clone();
    let mut rates = latency.clone();
    // The first round warms all.
    for round in 0..=ROUNDS {
        for (at, (_, side)) in sides.iter().enumerate() {
            let one_by_one = runtime.block_on(side.one_by_one(calls))?;
            let rate = runtime.block_on(side.together(calls))?;
            if round > 0 {
                latency[at].push(one_by_one.us(0.5));
                tails[at].push(one_by_one.us(0.99));
                rates[at].push(rate);
            }
        }
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let latency: Vec<f64> = latency.iter_mut().map(median).collect();
    let tails: Vec<f64> = tails.iter_mut().map(median).collect();
    let rates: Vec<f64> = rates.iter_mut().map(median).collect();
    println!("| | p50 µs | p99 µs | a second, {TOGETHER} at a time | ratio |\n|---|---:|---:|---:|---:|");
    for (at, (name, _)) in sides.iter().enumerate() {
        println!("| {name} | {:.0} | {:.0} | {:.0} | {:.2} |", latency[at], tails[at], rates[at], rates[at] / rates[1]);
    }
    println!(
        "\nadded latency p50 {:.0} µs (aim 60); ratio of throughput {:.2} (aim {aim})",
        latency[0] - latency[1],
        rates[0] / rates[1]
    );
    Ok(())
}

/// The same through `belljar serve`, over TCP from another process, beside the bare server.
fn served(workload: &Workload, package: &Package, bare: &Bare) -> Result<()> {
    let mut server = Server::start(&TempDir::new()?.keep())?;
    server.tenant("bench")?;
    server.deploy("bench", &package.encode()?)?;
    let load = |address: &str, path: &str, connections| Load {
        address: address.into(),
        path: path.into(),
        applets: 1,
        order: Order::Shuffled,
        body: workload.input.clone(),
        connections,
        requests: 5_000,
    };
    println!(
        "\nover TCP, from another process:\n\n| server | p50 µs, 1 connection | requests/s, {CONNECTIONS} connections |\n|---|---:|---:|"
    );
    let mut figures = Vec::new();
    for (name, address, path) in
        [("`belljar serve`", server.http.clone(), "/bench/app0/run"), ("bare Bun", bare.address.clone(), "/")]
    {
        let (mut alone, mut rates) = (Vec::new(), Vec::new());
        for round in 0..=3 {
            let one = put_load(&load(&address, path, 1))?;
            let many = put_load(&load(&address, path, CONNECTIONS))?;
            ensure!(one["failed"] == 0 && many["failed"] == 0, "{name}: {one} {many}");
            if round > 0 {
                let figure = |value: &Value| value.as_f64().unwrap_or_default();
                alone.push(figure(&one["latency"]["p50"]) / 1e3);
                rates.push(figure(&many["requests_per_s"]));
            }
        }
        for values in [&mut alone, &mut rates] {
            values.sort_by(f64::total_cmp);
        }
        println!("| {name} | {:.0} | {:.0} |", alone[1], rates[1]);
        figures.push((alone[1], rates[1]));
    }
    println!(
        "\nadded p50 {:.0} µs; ratio of throughput {:.2}",
        figures[0].0 - figures[1].0,
        figures[0].1 / figures[1].1
    );
    server.stop()?;
    std::fs::remove_dir_all(&server.dir)?;
    Ok(())
}

/// The same bundle behind Bun's own server, on a socket and on a port.
struct Bare {
    process: Child,
    socket: PathBuf,
    address: String,
}

impl Bare {
    fn start(bun: &Path, bundle: &str, export: &str, dir: &Path) -> Result<Self> {
        let (script, module, socket) = (dir.join("bare.mjs"), dir.join("bundle.mjs"), dir.join("bare.sock"));
        // Of an earlier one.
        let _ = std::fs::remove_file(&socket);
        std::fs::write(&module, bundle)?;
        std::fs::write(
            &script,
            format!(
                "import * as bundle from {module:?};
const handler = bundle[{export:?}];
const fetch = (request) => handler({{
  request, locale: 'en', permissions: ['finance.read', 'finance.write'], params: {{}}, signal: request.signal, user: 'ada', tenant: 'bench',
  sdk: {{ db: {{ query: async () => [], queryOne: async () => null }} }},
}}, undefined);
Bun.serve({{ unix: {socket:?}, fetch }});
console.log(Bun.serve({{ port: 0, hostname: '127.0.0.1', fetch }}).port);
"
            ),
        )?;
        let mut process = Command::new(bun).arg(script).env("NODE_ENV", "production").stdout(Stdio::piped()).spawn()?;
        let mut port = String::new();
        BufReader::new(process.stdout.take().context("it has an output")?).read_line(&mut port)?;
        Ok(Self { process, socket, address: format!("127.0.0.1:{}", port.trim()) })
    }

    fn side(&self, method: &'static str, body: &str) -> Side {
        Side::Bare { socket: self.socket.clone(), method, body: body.into() }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Requests over one kept connection.
fn ask_bare(socket: &Path, method: &str, body: &str, calls: usize) -> Result<Sample> {
    let mut stream = UnixStream::connect(socket)?;
    let length = if method == "POST" {
        format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len())
    } else {
        String::new()
    };
    let request = format!("{method} /bench/app0/ HTTP/1.1\r\nhost: bench.example\r\n{length}\r\n{body}");
    let mut sample = Sample::default();
    let mut read = Vec::new();
    for _ in 0..calls {
        let begun = Instant::now();
        stream.write_all(request.as_bytes())?;
        read.clear();
        while !is_whole(&read)? {
            let mut piece = [0; 64 << 10];
            let count = stream.read(&mut piece)?;
            ensure!(count > 0, "the connection was closed");
            read.extend_from_slice(&piece[..count]);
        }
        sample.add(begun.elapsed());
    }
    Ok(sample)
}

/// Whether all of an answer is there.
fn is_whole(read: &[u8]) -> Result<bool> {
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    ensure!(head.starts_with("http/1.1 200"), "{head}");
    if head.contains("transfer-encoding: chunked") {
        return Ok(read.ends_with(b"0\r\n\r\n"));
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).context("no length")?;
    Ok(read.len() >= end + 4 + length.trim().parse::<usize>()?)
}
