//! Recordings as files of one folder: each has its name when it is whole, and the oldest go when there are too many, or they are too old.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::Recording;
use super::key::RecordingKey;
use super::recorder::RecordingSink;

/// How the name of a recording ends.
const EXTENSION: &str = ".recording";

/// Keeps recordings in a folder, named by their invocations.
///
/// ```no_run
/// use std::time::Duration;
///
/// use belljar::{Host, RecordPolicy, Recorder, RecordingFolder};
///
/// let folder = RecordingFolder::open("recordings", 1 << 30)?.age_max(Duration::from_secs(30 * 86_400));
/// let host = Host::builder().recorder(Recorder::new(folder).policy(RecordPolicy::OnFailure)).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RecordingFolder {
    path: PathBuf,
    bytes_max: u64,
    age_max: Option<Duration>,
    key: Option<RecordingKey>,
    files: Mutex<Files>,
}

/// What is in the folder, the oldest first.
#[derive(Debug, Default)]
struct Files {
    kept: VecDeque<KeptFile>,
    bytes: u64,
}

/// One recording.
#[derive(Debug)]
struct KeptFile {
    /// As the file system has it: what an invocation says of its time may be made up.
    written: SystemTime,
    name: String,
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
        Ok(Self { path, bytes_max, age_max: None, key: None, files: Mutex::new(files) })
    }

    /// Deletes recordings that were written longer ago than this, whenever another is written, and by [`sweep`](Self::sweep). Without it their
    /// age does not matter.
    #[must_use]
    pub fn age_max(mut self, age_max: Duration) -> Self {
        self.age_max = Some(age_max);
        self
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
        let id = |name: &str| name.strip_suffix(EXTENSION).unwrap_or(name).to_owned();
        self.files().kept.iter().rev().map(|file| (id(&file.name), file.bytes)).collect()
    }

    /// Deletes what is older than [`age_max`](Self::age_max) at the moment `now`, and answers how many recordings that were. To be called from time to
    /// time, so that recordings go although no other is written.
    ///
    /// # Errors
    /// Of the file system, when a file cannot be deleted; it and those that are newer are still there, and are tried again the next time.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use belljar::RecordingFolder;
    ///
    /// # let temporary = tempfile::tempdir()?;
    /// # let path = temporary.path().join("recordings");
    /// let folder = RecordingFolder::open(path, 1 << 30)?.age_max(Duration::from_secs(86_400));
    /// assert_eq!(folder.sweep(SystemTime::now())?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sweep(&self, now: SystemTime) -> io::Result<u64> {
        let Some(before) = self.age_max.and_then(|age_max| now.checked_sub(age_max)) else { return Ok(0) };
        let mut files = self.files();
        let mut deleted = 0;
        while files.kept.front().is_some_and(|oldest| oldest.written < before) {
            files.delete_oldest(&self.path)?;
            deleted += 1;
        }
        Ok(deleted)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, recording: &Recording) -> io::Result<()> {
        let bytes = recording.encode(self.key.as_ref()).map_err(io::Error::other)?;
        let size = bytes.len() as u64;
        if size > self.bytes_max {
            return Err(io::Error::other(format!("it has {size} bytes, and all together may have {}", self.bytes_max)));
        }
        let name = format!("{}{EXTENSION}", recording.header.invocation);
        let written = SystemTime::now();
        if let Err(error) = self.sweep(written) {
            tracing::error!(%error, "old recordings cannot be deleted");
        }
        let mut files = self.files();
        while files.bytes + size > self.bytes_max && !files.kept.is_empty() {
            files.delete_oldest(&self.path)?;
        }
        let part = self.path.join(format!(".{name}.part"));
        belljar_files::create(&part)?.write_all(&bytes)?;
        fs::rename(&part, self.path.join(&name))?;
        files.bytes += size;
        files.kept.push_back(KeptFile { written, name, bytes: size });
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
        let mut kept = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.ends_with(".part") {
                // Of a process that was killed while it wrote.
                fs::remove_file(entry.path())?;
            } else if name.ends_with(EXTENSION) {
                let metadata = entry.metadata()?;
                kept.push(KeptFile { written: metadata.modified()?, name, bytes: metadata.len() });
            }
        }
        // Names sort by when invocations began, which tells files apart that were copied here at once.
        kept.sort_by(|one, other| (one.written, &one.name).cmp(&(other.written, &other.name)));
        Ok(Self { bytes: kept.iter().map(|file| file.bytes).sum(), kept: kept.into() })
    }

    /// One that cannot be deleted stays the oldest.
    fn delete_oldest(&mut self, path: &Path) -> io::Result<()> {
        let Some(oldest) = self.kept.front() else { return Ok(()) };
        match fs::remove_file(path.join(&oldest.name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.bytes = self.bytes.saturating_sub(oldest.bytes);
        self.kept.pop_front();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn what_is_too_old_goes_and_the_rest_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("recordings");
        drop(RecordingFolder::open(&path, 1_000).expect("it is made"));
        let begun = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        // The names say another order.
        for (name, day) in [("inv_1", 3), ("inv_2", 1), ("inv_3", 2)] {
            let file = fs::File::create(path.join(format!("{name}{EXTENSION}"))).expect("a file");
            file.set_len(100).expect("it has bytes");
            file.set_modified(begun + day * DAY).expect("it has a time");
        }
        let ids = |folder: &RecordingFolder| -> Vec<String> { folder.list().into_iter().map(|(id, _)| id).collect() };
        let kept = RecordingFolder::open(&path, 1_000).expect("it opens");
        assert_eq!(ids(&kept), ["inv_1", "inv_3", "inv_2"]);
        assert_eq!(
            kept.sweep(begun + 1_000 * DAY).expect("nothing to do"),
            0,
            "age does not matter unless it is bounded"
        );

        let kept = kept.age_max(10 * DAY);
        let sweep = |days: u32| kept.sweep(begun + days * DAY).expect("they can be deleted");
        assert_eq!(
            (sweep(11), ids(&kept)),
            (0, vec!["inv_1".to_owned(), "inv_3".to_owned(), "inv_2".to_owned()]),
            "of the very age"
        );
        assert_eq!(
            (sweep(12), ids(&kept), kept.find("inv_2")),
            (1, vec!["inv_1".to_owned(), "inv_3".to_owned()], None)
        );
        assert_eq!(kept.files().bytes, 200);
        assert_eq!(fs::read_dir(&path).expect("a folder").count(), 2);
        // Somebody else has deleted it.
        fs::remove_file(path.join(format!("inv_3{EXTENSION}"))).expect("it is there");
        assert_eq!((sweep(100), ids(&kept), kept.files().bytes), (2, Vec::new(), 0));
        assert_eq!(sweep(0), 0);
    }
}
