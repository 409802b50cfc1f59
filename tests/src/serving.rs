//! A real server, or `belljar dev`, in a process of its own; and requests to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli;

/// Time for anything that a server does at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that tells one JSON object a line.
pub struct Told {
    child: Child,
    lines: Receiver<String>,
    /// Everything it has told.
    pub seen: Vec<String>,
}

impl Told {
    /// Starts `command` and reads its stdout, or its stderr.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(mut command: Command, reads_stdout: bool) -> Self {
        command.env("NO_COLOR", "1").stdin(Stdio::null());
        let mut child = if reads_stdout {
            command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("it starts")
        } else {
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts")
        };
        let (sender, lines) = channel();
        let stream: Box<dyn Read + Send> = if reads_stdout {
            Box::new(child.stdout.take().expect("it is piped"))
        } else {
            Box::new(child.stderr.take().expect("it is piped"))
        };
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for the object for which `is_it` holds.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_for(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let line = match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => panic!("{what} does not come: {:#?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("{what} does not come, the process has ended: {:#?}", self.seen)
                }
            };
            self.seen.push(line.clone());
            if let Ok(value) = serde_json::from_str::<Value>(&line)
                && is_it(&value)
            {
                return value;
            }
        }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to stop (SIGTERM), and waits.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.ended()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process");
        rustix::process::kill_process(id, signal).expect("it is there");
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it does not.
    pub fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                self.seen.extend(self.lines.try_iter());
                return status;
            }
            assert!(Instant::now() < until, "it does not end: {:#?}", self.seen);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server.
pub struct Server {
    /// The process.
    pub told: Told,
    /// Where applets are served.
    pub at: SocketAddr,
    /// Where the admin API is.
    pub admin: SocketAddr,
    /// Its data directory.
    pub data: PathBuf,
}

impl Server {
    /// Starts `belljar serve` on a data directory, on ports that are free.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(data: &Path, flags: &[&str]) -> Self {
        Self::start_with(data, flags, &[])
    }

    /// The same with these variables in its environment.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_with(data: &Path, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(cli::binary());
        command.envs(environment.iter().copied());
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--log-format",
            "json",
            "--data-dir",
        ]);
        command.arg(data).args(flags);
        let mut told = Told::start(command, false);
        let serving = told.wait_for("`serving`", |line| line["message"] == "serving");
        let address = |name: &str| -> SocketAddr {
            let text = serving[name].as_str().unwrap_or_else(|| panic!("{name} is missing: {serving}"));
            text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
        };
        Self { at: address("listen"), admin: address("admin_listen"), told, data: data.to_owned() }
    }

    /// Runs a command against its admin API.
    pub fn belljar(&self, args: &[&str]) -> cli::Ran {
        let url = format!("http://{}", self.admin);
        let mut all: Vec<&str> = args.to_vec();
        let data = self.data.display().to_string();
        all.extend(["--server", &url, "--data-dir", &data]);
        cli::run(&all)
    }

    /// The token of its admin API.
    ///
    /// # Panics
    /// When it has none.
    pub fn token(&self) -> String {
        std::fs::read_to_string(self.data.join("admin-token")).expect("a token").trim().to_owned()
    }

    /// Asks its admin API.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let token = format!("Bearer {}", self.token());
        let mut headers = vec![("authorization", token.as_str())];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        request(self.admin, method, path, &headers, body.map(Value::to_string).unwrap_or_default().as_bytes())
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, lower case.
    pub headers: Vec<(String, String)>,
    /// Its body, chunks joined.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {} {}", self.status, self.text()))
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(has, _)| has == name).map(|(_, value)| value.as_str())
    }
}

/// One request over a connection of its own.
///
/// # Panics
/// When there is no answer.
pub fn request(at: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    try_request(at, method, path, headers, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// As [`request`].
///
/// # Errors
/// When there is no whole answer.
pub fn try_request(
    at: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("host: {at}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || matches!(method, "POST" | "PUT") {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    // A server that refuses may have closed its side by now.
    let _ = stream.write_all(body);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes)
        .ok_or_else(|| std::io::Error::other(format!("no whole answer: {:?}", String::from_utf8_lossy(&bytes))))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let rest = &bytes[end + 4..];
    let is_chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if is_chunked { chunks(rest)? } else { rest.to_vec() };
    Some(Answer { status, headers, body })
}

fn chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 4 + size..)?;
    }
}
