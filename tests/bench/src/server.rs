//! The server under load from another process, and a Node process with the same handler beside it in the same run.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Workload;
use crate::load::{Load, Order};
use crate::ours::package_of;

/// Rounds in which the servers take turns, and requests of each.
const ROUNDS: usize = 5;
const ROUND_REQUESTS: u64 = 5_000;
pub(crate) const CONNECTIONS: usize = 16;
/// Applets of the figure of the start.
const START_APPLETS: u64 = 1_000;

/// Throughput against Node, fairness, and the start.
pub(crate) fn run(workload: &Workload) -> Result<()> {
    let mut server = Server::start(&TempDir::new()?.keep())?;
    server.tenant("bench")?;
    server.deploy("bench", &package_of(&http_bundle(workload), "app0", true)?)?;
    throughput(&server, workload)?;
    fairness(&server, workload)?;
    server.stop()?;
    std::fs::remove_dir_all(&server.dir)?;
    start(workload)
}

pub(crate) fn http_bundle(workload: &Workload) -> String {
    format!(
        "{}\nexport default async (context) => new Response(globalThis.handle(await context.request.text()), {{ headers: {{ 'content-type': 'application/json' }} }});\n",
        workload.source
    )
}

/// Requests per second and latency, taking turns with Node.
fn throughput(server: &Server, workload: &Workload) -> Result<()> {
    let mut node = Node::start(workload)?;
    let load = |address: &str, path: &str| Load {
        address: address.into(),
        path: path.into(),
        applets: 1,
        order: Order::Shuffled,
        body: workload.input.clone(),
        connections: CONNECTIONS,
        requests: ROUND_REQUESTS,
    };
    let ours = load(&server.http, "/bench/app0/run");
    let theirs = load(&node.address, "/");
    let (mut our_rounds, mut their_rounds) = (Vec::new(), Vec::new());
    // The first round warms both.
    for round in 0..=ROUNDS {
        let (a, b) = (put_load(&ours)?, put_load(&theirs)?);
        if round > 0 {
            our_rounds.push(a);
            their_rounds.push(b);
        }
    }
    let median = |rounds: &[Value], of: &dyn Fn(&Value) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let rate = |round: &Value| round["requests_per_s"].as_f64().unwrap_or_default();
    let us = |at: &'static str| move |round: &Value| round["latency"][at].as_f64().unwrap_or_default() / 1e3;
    println!(
        "\n{}: a fresh sandbox for each request, {CONNECTIONS} connections, medians of {ROUNDS} rounds of {ROUND_REQUESTS}\n",
        workload.name
    );
    println!("| server | requests/s | p50 µs | p99 µs |\n|---|---:|---:|---:|");
    for (name, rounds) in [("Belljar", &our_rounds), ("Node", &their_rounds)] {
        println!(
            "| {name} | {:.0} | {:.0} | {:.0} |",
            median(rounds, &rate),
            median(rounds, &us("p50")),
            median(rounds, &us("p99"))
        );
    }
    println!("\nratio of throughput {:.2} (aim 0.5)", median(&our_rounds, &rate) / median(&their_rounds, &rate));
    node.process.kill()?;
    Ok(())
}

/// What one tenant's requests take while another floods the server.
fn fairness(server: &Server, workload: &Workload) -> Result<()> {
    server.tenant("flood")?;
    let spin = "export default () => { let n = 0; for (let i = 0; i < 3_000_000; i++) n += i; return n; };";
    server.deploy("flood", &package_of(spin, "app0", true)?)?;
    let quiet = Load {
        address: server.http.clone(),
        path: "/bench/app0/run".into(),
        applets: 1,
        order: Order::Shuffled,
        body: workload.input.clone(),
        connections: 1,
        requests: 500,
    };
    let alone = put_load(&quiet)?;
    let flood = Load { path: "/flood/app0/run".into(), connections: 64, requests: 100_000, ..quiet.clone() };
    let mut flooding = load_process(&flood)?.spawn()?;
    std::thread::sleep(Duration::from_millis(500));
    let beside = put_load(&quiet);
    flooding.kill()?;
    flooding.wait()?;
    let beside = beside?;
    let ms = |value: &Value, at: &str| value["latency"][at].as_f64().unwrap_or_default() / 1e6;
    println!(
        "\nfairness: one connection of a tenant alone p50 {:.2} ms, p99 {:.2} ms; while another tenant floods with 64 connections of loops p50 {:.2} ms, p99 {:.2} ms",
        ms(&alone, "p50"),
        ms(&alone, "p99"),
        ms(&beside, "p50"),
        ms(&beside, "p99")
    );
    Ok(())
}

/// How long a start takes with many applets installed.
fn start(workload: &Workload) -> Result<()> {
    let dir = TempDir::new()?;
    let mut server = Server::start(dir.path())?;
    install(&server, workload, START_APPLETS)?;
    server.stop()?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let mut server = Server::start(dir.path())?;
        times.push(begun.elapsed());
        server.stop()?;
    }
    times.sort();
    println!(
        "\nstart with {START_APPLETS} applets installed, until it accepts: median {:.0} ms (aim 500)",
        times[2].as_secs_f64() * 1e3
    );
    Ok(())
}

/// Many applets: what the server takes, and what calls of hot and cold ones take.
pub(crate) fn many(workload: &Workload, applets: u64) -> Result<()> {
    let dir = TempDir::new()?;
    let mut server = Server::start(dir.path())?;
    let begun = Instant::now();
    install(&server, workload, applets)?;
    println!("{applets} applets installed in {:.0} s", begun.elapsed().as_secs_f64());
    server.stop()?;
    let mut server = Server::start(dir.path())?;
    let base = Load {
        address: server.http.clone(),
        path: "/bench/app{}/run".into(),
        applets,
        order: Order::Shuffled,
        body: workload.input.clone(),
        connections: 1,
        requests: applets.min(3_000),
    };
    println!(
        "\n| order | requests | p50 ms | p99 ms | aim p99 ms | resident MiB after |\n|---|---:|---:|---:|---:|---:|"
    );
    for (name, order, requests, aim) in [
        ("each once, cold", Order::Shuffled, base.requests, 25.0),
        ("Zipf, first", Order::Zipf, 20_000, 5.0),
        ("Zipf, again", Order::Zipf, 20_000, 5.0),
    ] {
        let done = put_load(&Load { order, requests, ..base.clone() })?;
        ensure!(done["failed"] == 0, "{name}: {done}");
        let ms = |at: &str| done["latency"][at].as_f64().unwrap_or_default() / 1e6;
        println!(
            "| {name} | {requests} | {:.2} | {:.2} | {aim} | {:.0} |",
            ms("p50"),
            ms("p99"),
            server.resident_kib()? as f64 / 1024.0
        );
    }
    server.stop()
}

/// Many requests: whether memory grows with them.
pub(crate) fn soak(workload: &Workload, requests: u64) -> Result<()> {
    let dir = TempDir::new()?;
    let mut server = Server::start(dir.path())?;
    server.tenant("bench")?;
    server.deploy("bench", &package_of(&http_bundle(workload), "app0", true)?)?;
    let part = Load {
        address: server.http.clone(),
        path: "/bench/app0/run".into(),
        applets: 1,
        order: Order::Shuffled,
        body: workload.input.clone(),
        connections: CONNECTIONS,
        requests: requests / 10,
    };
    let mut points = Vec::new();
    for tenth in 1..=10u64 {
        let done = put_load(&part)?;
        ensure!(done["failed"] == 0, "{done}");
        let kib = server.resident_kib()?;
        println!("{} requests: {kib} KiB resident", tenth * part.requests);
        points.push(((tenth * part.requests) as f64, kib as f64 * 1024.0));
    }
    // After warm-up: least squares over the last eight points.
    let points = &points[2..];
    let n = points.len() as f64;
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let slope = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum::<f64>()
        / points.iter().map(|p| (p.0 - mx).powi(2)).sum::<f64>();
    println!("slope {slope:.2} bytes per request after the first two tenths (aim below 1)");
    server.stop()
}

/// Installs `applets` packages for the tenant `bench`: `app0`, `app1`, …
fn install(server: &Server, workload: &Workload, applets: u64) -> Result<()> {
    server.tenant("bench")?;
    for number in 0..applets {
        let bundle = format!("{}export const number = {number};\n", http_bundle(workload));
        server.deploy("bench", &package_of(&bundle, &format!("app{number}"), true)?)?;
    }
    Ok(())
}

/// A `belljar serve` of its own.
pub(crate) struct Server {
    process: Child,
    pub(crate) dir: PathBuf,
    /// `host:port`.
    pub(crate) http: String,
    admin: String,
    token: String,
}

impl Server {
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        let bin = std::env::var("BELLJAR_BIN").context("BELLJAR_BIN names the command `belljar`")?;
        let mut command = Command::new(bin);
        command.arg("serve").arg("--data-dir").arg(dir);
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json"]);
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut log = BufReader::new(process.stderr.take().context("it has a log")?).lines();
        let ready = loop {
            let line = log.next().context("the server has ended")??;
            match serde_json::from_str::<Value>(&line) {
                Ok(line) if line["message"] == "serving" => break line,
                Ok(line) if line["level"] == "ERROR" => bail!("{line}"),
                Ok(_) => {}
                Err(_) => bail!("the server is not ready: {line}"),
            }
        };
        std::thread::spawn(move || log.for_each(drop));
        let address = |name: &str| ready[name].as_str().map(str::to_owned).context("an address is missing");
        let token = std::fs::read_to_string(dir.join("admin-token"))?.trim().to_owned();
        Ok(Self { process, dir: dir.to_owned(), http: address("listen")?, admin: address("admin_listen")?, token })
    }

    pub(crate) fn tenant(&self, name: &str) -> Result<()> {
        self.admin(&["POST", "/v1/tenants", "application/json"], json!({ "id": name }).to_string().as_bytes()).map(drop)
    }

    pub(crate) fn deploy(&self, tenant: &str, package: &[u8]) -> Result<()> {
        let path = format!("/v1/tenants/{tenant}/install?grant=all");
        self.admin(&["POST", &path, "application/octet-stream"], package).map(drop)
    }

    /// One request of the admin API.
    fn admin(&self, [method, path, content_type]: &[&str; 3], body: &[u8]) -> Result<Value> {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(&self.admin)?;
        let (token, length) = (&self.token, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n",
            self.admin
        )?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        if !head.split_whitespace().nth(1).is_some_and(|status| status.starts_with('2')) {
            bail!("{method} {path}: {head}\n{body}");
        }
        Ok(serde_json::from_str(body).unwrap_or(json!(null)))
    }

    fn resident_kib(&self) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process.id()))?;
        let line = text.lines().find(|line| line.starts_with("Rss:")).context("no Rss")?;
        Ok(line.split_whitespace().nth(1).context("no figure")?.parse()?)
    }

    pub(crate) fn stop(&mut self) -> Result<()> {
        let killed = Command::new("kill").arg(self.process.id().to_string()).status()?;
        ensure!(killed.success(), "it cannot be stopped");
        let status = self.process.wait()?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The same handler in a Node process.
struct Node {
    process: Child,
    address: String,
    _dir: TempDir,
}

impl Node {
    fn start(workload: &Workload) -> Result<Self> {
        let dir = TempDir::new()?;
        let script = format!(
            "{}
const http = require('node:http');
const server = http.createServer((request, response) => {{
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {{
    const answer = globalThis.handle(Buffer.concat(parts).toString());
    response.writeHead(200, {{ 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) }});
    response.end(answer);
  }});
}});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
",
            workload.source
        );
        let path = dir.path().join("server.cjs");
        std::fs::write(&path, script)?;
        let mut process =
            Command::new("node").arg(path).stdout(Stdio::piped()).spawn().context("node is needed to compare with")?;
        let mut port = String::new();
        BufReader::new(process.stdout.take().context("it has an output")?).read_line(&mut port)?;
        Ok(Self { process, address: format!("127.0.0.1:{}", port.trim()), _dir: dir })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn load_process(load: &Load) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("load").arg(load.to_argument()).stdout(Stdio::piped());
    Ok(command)
}

/// Puts a load on a server from another process, and waits for its figures.
pub(crate) fn put_load(load: &Load) -> Result<Value> {
    let output = load_process(load)?.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the load failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}
