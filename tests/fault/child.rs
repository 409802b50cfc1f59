//! The process that dies, from both sides: how the parent starts, hears and kills it, and how the child tells.
//!
//! The child is this test binary, asked for the one test [`child_entry`], which does nothing unless the variables say what.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use belljar_tests::PATIENCE;

/// What the child does: one of the names in [`child_entry`].
const MODE: &str = "BELLJAR_TEST_FAULT_MODE";
/// The data directory.
const DATA: &str = "BELLJAR_TEST_FAULT_DATA";
/// Seed of what it does.
const SEED: &str = "BELLJAR_TEST_FAULT_SEED";

/// The child's own beginning.
#[test]
fn child_entry() {
    let Ok(mode) = std::env::var(MODE) else { return };
    belljar_server::failpoint::arm_from_environment().unwrap();
    let data = PathBuf::from(std::env::var_os(DATA).unwrap());
    let seed: u64 = std::env::var(SEED).unwrap().parse().unwrap();
    match mode.as_str() {
        "catalog" => crate::work::run(&data, seed),
        "writes" => crate::writes::run(&data),
        "hold" => crate::storage::hold(&data),
        "fill" => crate::storage::fill(&data),
        "grow" => crate::storage::grow(&data),
        "make" => crate::storage::make(&data),
        "triggers" => crate::triggers::run(&data, seed),
        "try" => crate::storage::try_to_open(&data),
        other => panic!("no mode {other:?}"),
    }
}

/// Tells the parent, at once.
pub(crate) fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    // A parent that is gone hears nothing.
    let _ = out.write_all(format!("@{line}\n").as_bytes()).and_then(|()| out.flush());
}

/// The command that runs a child.
pub(crate) fn command(mode: &str, data: &Path, seed: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child::child_entry", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(MODE, mode).env(DATA, data).env(SEED, seed.to_string());
    command
}

/// A child that runs.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

/// Starts a child, armed with a failpoint (`name:n`) if one is given.
pub(crate) fn start(mode: &str, data: &Path, seed: u64, failpoint: Option<&str>) -> Running {
    let mut command = command(mode, data, seed);
    if let Some(failpoint) = failpoint {
        command.env(belljar_server::failpoint::VARIABLE, failpoint);
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (sender, lines) = channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            // libtest writes its own lines, and the name of the test before the first of ours.
            if let Some((_, told)) = line.split_once('@')
                && sender.send(told.to_owned()).is_err()
            {
                return;
            }
        }
    });
    Running { child, lines }
}

impl Running {
    /// The next line; `None` when the child has ended.
    pub(crate) fn line(&self) -> Option<String> {
        self.lines.recv_timeout(PATIENCE).ok()
    }

    /// Kills it, and answers what it has told that was not read yet, and whether it was alive until then.
    pub(crate) fn kill(mut self) -> (Vec<String>, bool) {
        let was_alive = self.child.try_wait().unwrap().is_none();
        // It may end by itself just now.
        let _ = self.child.kill();
        self.child.wait().unwrap();
        (self.lines.iter().collect(), was_alive)
    }

    /// Waits for its end; answers what it has told, and the signal that ended it, if one did.
    pub(crate) fn end(mut self) -> (Vec<String>, Option<i32>) {
        use std::os::unix::process::ExitStatusExt as _;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                let _ = self.child.kill();
                panic!("the child does not end; it has told {:?}", self.lines.iter().collect::<Vec<_>>());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let told = self.lines.iter().collect();
        if !status.success() && status.signal().is_none() {
            let mut text = String::new();
            let _ = std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut text);
            panic!("the child failed; it has told {told:?}\n{text}");
        }
        (told, status.signal())
    }
}
