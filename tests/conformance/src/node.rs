//! Node, which the sandbox is compared with: as a process of its own, and with what it answered before.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::{options, results};

const POLL: Duration = Duration::from_millis(5);

/// Node on this machine.
pub(crate) struct Node {
    pub(crate) version: String,
    runner: PathBuf,
}

/// What a program printed in Node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Printed {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// How it ended: an exit status, or that it took too long.
    pub(crate) end: String,
}

impl Node {
    /// Finds it; says so when there is none.
    pub(crate) fn find(suite: &str) -> Option<Self> {
        let output = Command::new("node")
            .arg("--version")
            .stderr(Stdio::null())
            .output()
            .ok()
            .filter(|output| output.status.success());
        let Some(output) = output else {
            eprintln!("conformance: {suite}: skipped: node, which the sandbox is compared with, is not installed");
            return None;
        };
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Some(Self { version, runner: Path::new(env!("CARGO_MANIFEST_DIR")).join("src/node.cjs") })
    }

    /// Runs a global script, or takes what it printed the last time.
    ///
    /// # Errors
    /// When it cannot be run.
    pub(crate) fn script(&self, source: &str, patience: Duration) -> Result<Printed> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.version.as_bytes()).update(include_bytes!("node.cjs")).update(source.as_bytes());
        let name = format!("node/{}", &hasher.finalize().to_hex()[..32]);
        if let Some(printed) = results::kept(&name) {
            return Ok(printed);
        }
        let folder = options::cache().join("node");
        std::fs::create_dir_all(&folder)?;
        let mut file = tempfile::Builder::new().suffix(".js").tempfile_in(&folder)?;
        std::io::Write::write_all(&mut file, source.as_bytes())?;
        let printed = run(Command::new("node").arg(&self.runner).arg(file.path()), patience)?;
        results::keep(&name, &printed)?;
        Ok(printed)
    }
}

/// Runs a command to its end, or for so long.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn run(command: &mut Command, patience: Duration) -> Result<Printed> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let (out, err) = child.stdout.take().zip(child.stderr.take()).context("a child with pipes has pipes")?;
    let read = |mut pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // What was read before a pipe broke counts.
            let _ = pipe.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let (out, err) = (read(Box::new(out)), read(Box::new(err)));
    let end = wait(&mut child, patience)?;
    let text = |thread: std::thread::JoinHandle<String>| thread.join().unwrap_or_default();
    Ok(Printed { stdout: text(out), stderr: text(err), end })
}

fn wait(child: &mut Child, patience: Duration) -> Result<String> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.to_string());
        }
        if begun.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            return Ok("took too long".into());
        }
        std::thread::sleep(POLL);
    }
}
