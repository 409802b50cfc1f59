//! Load on an HTTP server, from a process of its own: keep-alive connections that each send the next request when they have the answer to
//! the last one. It speaks as much HTTP/1.1 as the servers it measures, so that it leaves the processors to them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::sample::Sample;

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// `host:port`.
    pub(crate) address: String,
    /// The path; `{}` is replaced by the number of the applet.
    pub(crate) path: String,
    /// Applets.
    pub(crate) applets: u64,
    /// How they are chosen.
    pub(crate) order: Order,
    /// The body of each request, JSON.
    pub(crate) body: String,
    pub(crate) connections: usize,
    pub(crate) requests: u64,
}

/// In which order applets are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The n-th most popular one is called 1/n times as often as the first.
    Zipf,
    /// Each once, in a shuffled order, then again.
    Shuffled,
}

impl Load {
    /// As the argument of the process that makes the load.
    pub(crate) fn to_argument(&self) -> String {
        let Self { address, path, applets, order, body, connections, requests } = self;
        let order = if *order == Order::Zipf { "zipf" } else { "shuffled" };
        json!([address, path, applets, order, body, connections, requests]).to_string()
    }

    fn from_argument(argument: &str) -> Result<Self> {
        let parts: Value = serde_json::from_str(argument)?;
        let text = |at: usize| parts[at].as_str().map(str::to_owned).context("a text is missing");
        let number = |at: usize| parts[at].as_u64().context("a number is missing");
        Ok(Self {
            address: text(0)?,
            path: text(1)?,
            applets: number(2)?,
            order: if text(3)? == "zipf" { Order::Zipf } else { Order::Shuffled },
            body: text(4)?,
            connections: usize::try_from(number(5)?)?,
            requests: number(6)?,
        })
    }
}

/// Makes the load, and prints `{requests_per_s, latency, failed}` as one line of JSON.
pub(crate) fn run(argument: &str) -> Result<()> {
    let load = Load::from_argument(argument)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (took, latency, failed) = runtime.block_on(drive(&load))?;
    let rate = load.requests as f64 / took.as_secs_f64();
    println!("{}", json!({ "requests_per_s": rate, "latency": latency.json(), "failed": failed }));
    Ok(())
}

async fn drive(load: &Load) -> Result<(Duration, Sample, u64)> {
    let local = tokio::task::LocalSet::new();
    let order = std::rc::Rc::new(std::cell::RefCell::new(order(load)));
    let shared = std::rc::Rc::new(std::cell::RefCell::new((Sample::default(), 0u64)));
    let begun = Instant::now();
    local
        .run_until(async {
            let mut tasks = Vec::new();
            for _ in 0..load.connections {
                let (load, order, shared) = (load.clone(), order.clone(), shared.clone());
                tasks.push(tokio::task::spawn_local(async move {
                    let mut connection = Connection::open(&load.address).await?;
                    loop {
                        let Some(number) = order.borrow_mut().next() else { return anyhow::Ok(()) };
                        let path = load.path.replace("{}", &number.to_string());
                        let begun = Instant::now();
                        let status = connection.post(&path, &load.body).await?;
                        let mut shared = shared.borrow_mut();
                        shared.0.add(begun.elapsed());
                        shared.1 += u64::from(status != 200);
                    }
                }));
            }
            for task in tasks {
                task.await.context("a connection failed")??;
            }
            anyhow::Ok(())
        })
        .await?;
    let took = begun.elapsed();
    let (sample, failed) = std::mem::take(&mut *shared.borrow_mut());
    Ok((took, sample, failed))
}

/// Numbers of applets, as many as there are requests.
fn order(load: &Load) -> Box<dyn Iterator<Item = u64>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        // xorshift64*: any numbers do, as long as they are the same in each run.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let (applets, requests) = (load.applets.max(1), load.requests as usize);
    match load.order {
        Order::Zipf => {
            let mut sums = Vec::with_capacity(applets as usize);
            let mut sum = 0.0;
            for n in 1..=applets {
                sum += 1.0 / n as f64;
                sums.push(sum);
            }
            Box::new((0..requests).map(move |_| {
                let at = (random() >> 11) as f64 / (1u64 << 53) as f64 * sum;
                sums.partition_point(|sum| *sum < at).min(sums.len() - 1) as u64
            }))
        }
        Order::Shuffled => {
            let mut numbers: Vec<u64> = (0..applets).collect();
            for at in (1..numbers.len()).rev() {
                numbers.swap(at, (random() % (at as u64 + 1)) as usize);
            }
            Box::new(numbers.into_iter().cycle().take(requests))
        }
    }
}

struct Connection {
    stream: TcpStream,
    /// What was read and belongs to no answer yet.
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| address.to_owned())?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends a request and reads its whole answer.
    async fn post(&mut self, path: &str, body: &str) -> Result<u16> {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await?;
        let head = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            self.read().await?;
        };
        let text = std::str::from_utf8(&self.buffer[..head]).context("the head is text")?.to_ascii_lowercase();
        let status =
            text.split_whitespace().nth(1).and_then(|status| status.parse().ok()).context("there is no status")?;
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:")).map(str::trim);
        match length {
            Some(length) => {
                let end = head + length.parse::<usize>()?;
                while self.buffer.len() < end {
                    self.read().await?;
                }
                self.buffer.drain(..end);
            }
            None => {
                ensure!(text.contains("transfer-encoding: chunked"), "an answer without a length: {text}");
                let end = loop {
                    if let Some(at) = find(&self.buffer[head..], b"0\r\n\r\n") {
                        break head + at + 5;
                    }
                    self.read().await?;
                };
                self.buffer.drain(..end);
            }
        }
        Ok(status)
    }

    async fn read(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the server has closed the connection");
        }
        Ok(())
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
