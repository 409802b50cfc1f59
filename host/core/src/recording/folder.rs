//! Recordings as files of one folder: each has its name when it is whole, and the oldest go when there are too many.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Recording;
use super::key::RecordingKey;
use super::recorder::RecordingSink;

/// How the name of a recording ends.
const EXTENSION: &str = ".recording";

/// Keeps recordings in a folder, named by their invocations, which sort by time.
///
/// ```no_run
/// use belljar::{Host, RecordPolicy, Recorder, RecordingFolder};
///
/// let folder = RecordingFolder::open("recordings", 1 << 30)?;
/// let host = Host::builder().recorder(Recorder::new(folder).policy(RecordPolicy::OnFailure)).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RecordingFolder {
    path: PathBuf,
    bytes_max: u64,
    key: Option<RecordingKey>,
    files: Mutex<Files>,
}

/// What is in the folder, the oldest first.
#[derive(Debug, Default)]
struct Files {
    names: VecDeque<(String, u64)>,
    bytes: u64,
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("recordings cannot be kept in {path}")]
pub struct RecordingFolderError {
    /// The folder.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl RecordingFolder {
    /// A folder that is made if it is not there, private to this user (0700). Its files may take `bytes_max` bytes together; of what is there
    /// already, too.
    ///
    /// # Errors
    /// [`RecordingFolderError`].
    pub fn open(path: impl Into<PathBuf>, bytes_max: u64) -> Result<Self, RecordingFolderError> {
        let path = path.into();
        let files = belljar_files::make_directory(&path)
            .and_then(|()| Files::read(&path))
            .map_err(|source| RecordingFolderError { path: path.clone(), source })?;
        Ok(Self { path, bytes_max, key: None, files: Mutex::new(files) })
    }

    /// Encrypts what is written from now on.
    #[must_use]
    pub fn key(mut self, key: Option<RecordingKey>) -> Self {
        self.key = key;
        self
    }

    /// Where the recording of an invocation is, if it is there.
    pub fn find(&self, invocation: &str) -> Option<PathBuf> {
        // The name comes from outside; a path it must not be.
        let is_plain = invocation.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let path = self.path.join(format!("{invocation}{EXTENSION}"));
        (is_plain && path.is_file()).then_some(path)
    }

    /// Invocations whose recordings are there with the bytes of their files, the newest first.
    pub fn list(&self) -> Vec<(String, u64)> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let id = |name: &str| name.strip_suffix(EXTENSION).unwrap_or(name).to_owned();
        files.names.iter().rev().map(|(name, bytes)| (id(name), *bytes)).collect()
    }

    fn keep(&self, recording: &Recording) -> io::Result<()> {
        let bytes = recording.encode(self.key.as_ref()).map_err(io::Error::other)?;
        let size = bytes.len() as u64;
        if size > self.bytes_max {
            return Err(io::Error::other(format!("it has {size} bytes, and all together may have {}", self.bytes_max)));
        }
        let name = format!("{}{EXTENSION}", recording.header.invocation);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        while files.bytes + size > self.bytes_max {
            let Some((oldest, bytes)) = files.names.pop_front() else { break };
            files.bytes = files.bytes.saturating_sub(bytes);
            match fs::remove_file(self.path.join(oldest)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let part = self.path.join(format!(".{name}.part"));
        belljar_files::create(&part)?.write_all(&bytes)?;
        fs::rename(&part, self.path.join(&name))?;
        files.bytes += size;
        files.names.push_back((name, size));
        Ok(())
    }
}

impl RecordingSink for RecordingFolder {
    fn take(&self, recording: Recording) {
        if let Err(error) = self.keep(&recording) {
            tracing::error!(%error, invocation = recording.header.invocation, "a recording cannot be kept");
        }
    }
}

impl Files {
    fn read(path: &Path) -> io::Result<Self> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.ends_with(".part") {
                // Of a process that was killed while it wrote.
                fs::remove_file(entry.path())?;
            } else if name.ends_with(EXTENSION) {
                names.push((name, entry.metadata()?.len()));
            }
        }
        names.sort();
        Ok(Self { bytes: names.iter().map(|(_, bytes)| bytes).sum(), names: names.into() })
    }
}
