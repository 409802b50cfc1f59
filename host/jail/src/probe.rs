//! What of a jail works on this machine, found out by making one in a process that is started for it.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use crate::report::{Refusal, Report, Told};

/// Bytes of the line that a launcher says.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// There is no launcher.
    #[error("the launcher of the jail has no program")]
    NoLauncher,
    /// It did not run.
    #[error("the launcher of the jail, {program}, could not be run")]
    Run {
        /// What was run.
        program: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It could not even try.
    #[error("the launcher of the jail refused")]
    Refused(#[source] Refusal),
    /// It is something else.
    #[error("{program} is no launcher of a jail: it says {said:?}")]
    NotALauncher {
        /// What was run.
        program: String,
        /// Its first line.
        said: String,
    },
}

/// Makes a jail around nothing, and tells which layers hold. `launcher` is the program with the arguments before `probe`; `user` is the
/// user that the process would be, when this process is root. It takes some milliseconds, and blocks.
///
/// # Errors
/// [`ProbeError`].
pub fn probe(launcher: &[OsString], user: Option<u32>) -> Result<Report, ProbeError> {
    let (name, arguments) = launcher.split_first().ok_or(ProbeError::NoLauncher)?;
    let program = name.display().to_string();
    let failed = |source| ProbeError::Run { program: program.clone(), source };
    let mut child = Command::new(name)
        .args(arguments)
        .arg("probe")
        .args(user.map(|user| user.to_string()))
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut said = String::new();
    let read = match child.stderr.take() {
        Some(stderr) => BufReader::new(stderr.take(LINE_BYTES_MAX)).read_line(&mut said),
        None => Ok(0),
    };
    child.wait().map_err(failed)?;
    read.map_err(failed)?;
    match Told::parse(&said) {
        Some(Told::Started(report)) => Ok(report),
        Some(Told::Refused(refusal)) => Err(ProbeError::Refused(refusal)),
        None => Err(ProbeError::NotALauncher { program, said: said.chars().take(200).collect() }),
    }
}
