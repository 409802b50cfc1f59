//! Hosts for tests. All of them take the engine's machine code from one cache per user, because compiling it takes many seconds; what
//! else a test keeps is its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use belljar::{Host, HostBuilder, HttpConfig, InvocationId, LogRecord, LogSink};
use tempfile::TempDir;

/// Images of applets in the shared cache that are older than this are of runs that have ended.
const IMAGE_AGE_MAX: Duration = Duration::from_secs(3_600);

/// The host of this process: no data directory, loopback servers reachable as `127.0.0.1` and `localhost`.
pub fn shared() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| build(builder().log(Arc::new(log().clone()))))
}

/// A builder with the shared cache and the test hosts of [`shared`].
pub fn builder() -> HostBuilder {
    Host::builder().cache_dir(cache()).http(http())
}

/// Outgoing http that reaches servers on loopback.
pub fn http() -> HttpConfig {
    HttpConfig { test_hosts: vec!["127.0.0.1".into(), "localhost".into()], ..HttpConfig::default() }
}

/// Builds a host.
///
/// # Panics
/// When it cannot be set up.
pub fn build(builder: HostBuilder) -> Host {
    builder.build().unwrap_or_else(|error| panic!("the host cannot be set up: {error:?}"))
}

/// A host with a data directory of its own, which goes away with the second part.
pub fn with_data() -> (Host, TempDir) {
    let data = tempfile::tempdir().expect("a temporary directory");
    (build(builder().data_dir(data.path())), data)
}

/// The shared cache, with the engine in it. Of the processes that find it empty one compiles, the others wait.
fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let parent = user_cache();
        fs::create_dir_all(&parent).expect("the cache directory can be made");
        let dir = parent.join("test-host");
        let lock = File::create(parent.join("test-host.lock")).expect("the lock file can be made");
        lock.lock().expect("the lock is free at some time");
        build(Host::builder().cache_dir(&dir).progress(|text| eprintln!("{text}")));
        for path in files(&dir).filter(|path| is_image(path)) {
            let age = fs::metadata(&path).and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
            if age.is_some_and(|age| age > IMAGE_AGE_MAX) {
                // Another process may have been faster.
                let _ = fs::remove_file(path);
            }
        }
        dir
    })
}

/// A copy of the shared cache with the engine and no image in it.
pub fn private_cache() -> TempDir {
    // A cache that others can look into is refused.
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    let copy = tempfile::Builder::new().permissions(private).tempdir().expect("a temporary directory");
    for path in files(cache()).filter(|path| !is_image(path)) {
        let name = path.file_name().expect("a file has a name");
        fs::copy(&path, copy.path().join(name)).expect("cache files can be copied");
    }
    copy
}

/// Files of a directory, sorted.
pub fn files(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir).expect("it can be listed").filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    paths.into_iter().filter(|path| path.is_file())
}

/// Whether a cache file is an applet's image, or its checksum.
pub fn is_image(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains("-image"))
}

/// `BELLJAR_CACHE`, else `belljar` in the user's cache directory: as everywhere in this repository.
pub(crate) fn user_cache() -> PathBuf {
    let var = |name| std::env::var_os(name).map(PathBuf::from);
    let user = || var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")));
    var("BELLJAR_CACHE").unwrap_or_else(|| user().unwrap_or_else(std::env::temp_dir).join("belljar"))
}

/// The log of the shared host.
pub fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(Log::default)
}

/// Keeps log lines, to be asked for by invocation: many tests write to it.
#[derive(Debug, Default, Clone)]
pub struct Log(Arc<Mutex<Vec<LogRecord>>>);

impl Log {
    /// The lines of one invocation.
    pub fn of(&self, invocation: &InvocationId) -> Vec<LogRecord> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().filter(|record| record.context.invocation == *invocation).cloned().collect()
    }
}

impl LogSink for Log {
    fn write(&self, record: &LogRecord) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
    }
}
