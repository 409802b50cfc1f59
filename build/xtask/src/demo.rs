//! `cargo xtask demo`: builds everything, then shows the github-webhook example at work with the real command: a forged delivery, a
//! signed one, the same again, and what was forwarded, stored, logged and used.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::command::{cargo, output, run as run_to_end, target_dir};
use crate::engine;

/// How long the receiver is waited for. It has been called by then, or it never will be.
const RECEIVER_WAIT: Duration = Duration::from_secs(5);
/// Bytes read of one forwarded message.
const MESSAGE_BYTES_MAX: u64 = 64 << 10;

/// Builds and shows.
pub(crate) fn run(repository: &Path) -> Result<()> {
    let begun = Instant::now();
    step(1, "the JavaScript engine (its first build takes minutes)");
    engine::build(repository)?;
    step(2, "the belljar command (its first build takes minutes)");
    run_to_end(cargo(repository).args(["build", "-j2", "--locked", "--workspace", "--bins"]))?;
    let binary = target_dir()?.join("debug/belljar");

    step(3, "a chat room on loopback, for the example to forward to");
    let listener = TcpListener::bind("127.0.0.1:0").context("no port of loopback is free")?;
    let port = listener.local_addr()?.port();
    let messages = chat_room(listener);
    let place = Place::new()?;
    let folder = place.0.join("github-webhook");
    copy(&repository.join("examples/github-webhook"), &folder)?;
    point_at(&folder.join("config.json"), port)?;
    let shown = Shown { binary, folder, data: place.0.join("data"), test_host: format!("localhost:{port}") };

    step(4, "a forged delivery, a signed one, and the same again");
    shown.deliver("a forged delivery (another body under the same signature)", "forged.http", 401)?;
    ensure!(messages.try_recv().is_err(), "the forged delivery was forwarded");
    shown.deliver("the signed delivery", "push.http", 202)?;
    let message = messages.recv_timeout(RECEIVER_WAIT).context("nothing was forwarded")?;
    say(&format!("    forwarded  {message}"))?;
    shown.deliver("the same delivery again", "push.http", 200)?;
    ensure!(messages.try_recv().is_err(), "the repeated delivery was forwarded again");

    step(5, "what was stored");
    let stored = shown.call(&["--handler", "deliveries", "--payload", "null"])?;
    let rows = stored["value"].as_array().context("the handler `deliveries` lists rows")?;
    for row in rows {
        say(&format!("    row        {row}"))?;
    }
    ensure!(rows.len() == 1, "one delivery is stored, not {}", rows.len());
    say(&format!("\nAll of it as it should be, after {:.0} s.", begun.elapsed().as_secs_f64()))
}

fn step(number: u32, what: &str) {
    eprintln!("demo [{number}/5] {what}");
}

fn say(line: &str) -> Result<()> {
    writeln!(io::stdout().lock(), "{line}").context("standard output cannot be written")
}

/// The command, and where it works.
struct Shown {
    binary: PathBuf,
    folder: PathBuf,
    data: PathBuf,
    test_host: String,
}

impl Shown {
    /// Runs the example and answers the command's JSON object.
    fn call(&self, args: &[&str]) -> Result<Value> {
        let mut belljar = Command::new(&self.binary);
        belljar.arg("run").arg(&self.folder).args(["--json", "--tenant", "acme", "--test-host", &self.test_host]);
        let printed = output(belljar.arg("--data-dir").arg(&self.data).args(args))?;
        serde_json::from_str(&printed).context("the command did not print one JSON object")
    }

    /// Delivers a sample and shows what came of it.
    fn deliver(&self, what: &str, sample: &str, status: u64) -> Result<()> {
        let path = self.folder.join("samples").join(sample);
        let path = path.to_str().context("the path is not UTF-8")?;
        let outcome = self.call(&["--handler", "webhook", "--request", path])?;
        say(&format!("\n  {what}"))?;
        let response = &outcome["response"];
        say(&format!("    answer     {} {}", response["status"], response["body"].as_str().unwrap_or("")))?;
        for line in outcome["log"].as_array().into_iter().flatten() {
            say(&format!("    log        {} {} {}", text(&line["level"]), text(&line["message"]), line["fields"]))?;
        }
        let usage = &outcome["usage"];
        say(&format!(
            "    used       {} fuel, {} KiB memory, {} µs, {} statements, {} http requests",
            usage["fuel"],
            usage["memory_bytes_peak"].as_u64().unwrap_or(0) >> 10,
            usage["wall_us"],
            usage["db"]["statements"],
            usage["http"]["requests"]
        ))?;
        ensure!(response["status"] == status, "{status} was expected, not this: {outcome}");
        Ok(())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

/// A folder of its own, which goes away.
struct Place(PathBuf);

impl Place {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("belljar-demo-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is left in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy(&from, &to)? } else { fs::copy(&from, &to).map(drop)? }
    }
    Ok(())
}

/// Makes the example's copy forward to our chat room.
fn point_at(config: &Path, port: u16) -> Result<()> {
    let mut settings: Value = serde_json::from_slice(&fs::read(config)?).context("config.json is not JSON")?;
    settings["forwardUrl"] = format!("http://localhost:{port}/rooms/builds").into();
    Ok(fs::write(config, settings.to_string())?)
}

/// Answers every request with 204 and passes its body on.
fn chat_room(listener: TcpListener) -> Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that breaks is missed as a message that did not come.
            if let Ok(message) = take(stream)
                && send.send(message).is_err()
            {
                return;
            }
        }
    });
    receive
}

fn take(mut stream: TcpStream) -> io::Result<String> {
    let mut reader = BufReader::new(stream.try_clone()?.take(MESSAGE_BYTES_MAX));
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.trim_end().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}
