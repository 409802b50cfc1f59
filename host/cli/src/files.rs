//! Reading what the command line names, never more than a bound: files, pipes, standard input.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::failure::Failure;
use crate::terminal;

/// Bytes of a payload, a request or a program.
pub(crate) const INPUT_BYTES_MAX: u64 = 64 << 20;
/// After this time people are told that standard input is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads a file, or standard input when it is called `-`.
///
/// # Errors
/// When it cannot be read, or is larger than `bytes_max`.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        return stdin(bytes_max);
    }
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| unreadable(&name, &error))?;
    bounded(file, &name, bytes_max)
}

/// Reads standard input to its end.
///
/// # Errors
/// When it cannot be read, or is larger than `bytes_max`.
pub(crate) fn stdin(bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let done = Arc::new(AtomicBool::new(false));
    let seen = done.clone();
    let is_terminal = io::stdin().is_terminal();
    // A caller who left a pipe open by mistake should see why nothing happens. Without the thread it works as well.
    let told = std::thread::Builder::new().spawn(move || {
        if !is_terminal {
            std::thread::sleep(PATIENCE);
        }
        if !seen.load(Ordering::Relaxed) {
            terminal::stderr("belljar: reading standard input to its end\n");
        }
    });
    drop(told);
    let read = bounded(io::stdin().lock(), "standard input", bytes_max);
    done.store(true, Ordering::Relaxed);
    read
}

/// Whether standard input is a pipe or a file: somebody has put something there.
#[cfg(unix)]
pub(crate) fn stdin_is_given() -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::metadata("/dev/stdin").is_ok_and(|metadata| metadata.is_file() || metadata.file_type().is_fifo())
}

/// Whether standard input is a pipe or a file: somebody has put something there.
#[cfg(windows)]
pub(crate) fn stdin_is_given() -> bool {
    winapi_util::file::typ(winapi_util::HandleRef::stdin()).is_ok_and(|kind| kind.is_disk() || kind.is_pipe())
}

/// Bytes as text.
///
/// # Errors
/// When they are not UTF-8; says where.
pub(crate) fn text(bytes: Vec<u8>, name: &str) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new("not-utf-8", format!("{name} is not UTF-8: the byte at offset {at} is wrong"))
    })
}

fn bounded(reader: impl Read, name: &str, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    reader.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| unreadable(name, &error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(Failure::new("too-large", format!("{name} is larger than {bytes_max} bytes")));
    }
    Ok(bytes)
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::new("unreadable", format!("{name} cannot be read: {error}"))
}
