//! What a host is made of: each of its parts, and what stands in for those that are left out.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use super::{Host, Inner};
use crate::capability::crypto::Crypto;
use crate::capability::custom::{Capability, Offered};
use crate::capability::db::{Databases, DatabasesConfig};
use crate::capability::events::EventSink;
use crate::capability::http::{HttpClient, HttpConfig, HttpConfigError, HttpTransport};
use crate::capability::jobs::JobSink;
use crate::capability::kv::{KvStore, SqliteKv};
use crate::capability::log::{LogRecord, LogSink};
use crate::capability::secrets::SecretSource;
use crate::engine::cache::{Cache, CacheError};
use crate::engine::sandbox::{PoolSize, Sandbox, SandboxError};
use crate::floor::clock::{Seeded, Source, System};
use crate::floor::limits::Limits;
use crate::observe::Observer;
use crate::process::{ProcessConfig, Processes};
use crate::recent::Recent;
use crate::recording::Recorder;

/// Instances that can exist at the same time, unless the builder says otherwise.
const INSTANCES_MAX: u32 = 1_000;
/// Images kept in memory, ready to be mapped, unless the builder says otherwise.
const IMAGES_MAX: usize = 208;

/// The folder of this user's cache for machine code and images: `host` in the folder that `BELLJAR_CACHE` names, else in `XDG_CACHE_HOME/belljar`,
/// else in `~/.cache/belljar`; `None` when there is no home either.
pub fn user_cache_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("BELLJAR_CACHE")
        // The XDG specification: a relative path is to be ignored.
        .or_else(|| set("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("belljar")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/belljar")))
        // Windows: below the profile of the user, whose access control list it inherits.
        .or_else(|| set("LOCALAPPDATA").map(|data| data.join("belljar/cache")))?;
    Some(base.join("host"))
}

/// The host cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The cache directory cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The sandbox cannot be set up.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The data directory cannot be used.
    #[error("data directory {path} cannot be used")]
    Data {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A capability of the embedder's own cannot be offered.
    #[error("capability {name:?} cannot be offered: {problem}")]
    Capability {
        /// Its name.
        name: String,
        /// Why.
        problem: String,
    },
    /// Outgoing http is configured wrongly.
    #[error(transparent)]
    Http(#[from] HttpConfigError),
}

/// Configures a [`Host`].
pub struct HostBuilder {
    cache_dir: Option<PathBuf>,
    data_dir: Option<PathBuf>,
    limits: Limits,
    instances_max: u32,
    images_max: usize,
    http: HttpConfig,
    http_transport: Option<Arc<dyn HttpTransport>>,
    databases: DatabasesConfig,
    kv: Option<Arc<dyn KvStore>>,
    secrets: Option<Arc<dyn SecretSource>>,
    events: Option<Arc<dyn EventSink>>,
    jobs: Option<Arc<dyn JobSink>>,
    capabilities: Vec<Capability>,
    opened: Option<Databases>,
    source: Arc<dyn Source>,
    deterministic: Option<Deterministic>,
    log: Option<Arc<dyn LogSink>>,
    observer: Option<Arc<dyn Observer>>,
    processes: Option<ProcessConfig>,
    recorder: Option<Recorder>,
    progress: Box<dyn Fn(&str) + Send + Sync>,
}

impl HostBuilder {
    pub(super) fn new() -> Self {
        Self {
            cache_dir: None,
            data_dir: None,
            limits: Limits::default(),
            instances_max: INSTANCES_MAX,
            images_max: IMAGES_MAX,
            http: HttpConfig::default(),
            http_transport: None,
            databases: DatabasesConfig::default(),
            kv: None,
            secrets: None,
            events: None,
            jobs: None,
            capabilities: Vec::new(),
            opened: None,
            source: Arc::new(System),
            deterministic: None,
            log: None,
            observer: None,
            processes: None,
            recorder: None,
            progress: Box::new(|_| {}),
        }
    }

    /// Where machine code and images are kept: a private directory (0700). Without one, the engine is compiled anew (seconds) by
    /// each process.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }

    /// Keeps machine code and images where the command `belljar` does ([`user_cache_dir`]); as without a cache where there is no such place.
    #[must_use]
    pub fn user_cache(mut self) -> Self {
        self.cache_dir = user_cache_dir();
        self
    }

    /// Where applets' databases and their keys and values are. Without one they live in memory and end with the host.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }

    /// The most any applet gets.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Instances that can exist at the same time (1 to 20,000; 1,000 by default). Each reserves address space, not memory.
    #[must_use]
    pub fn instances_max(mut self, instances_max: u32) -> Self {
        self.instances_max = instances_max.clamp(1, 20_000);
        self
    }

    /// Applets whose images stay in memory, ready to be mapped (at least 1; 208 by default; each takes some 2 MiB). The image of
    /// any other is made from the cache directory again when it is called, which takes some milliseconds; without a cache directory its
    /// top-level code runs again.
    #[must_use]
    pub fn images_max(mut self, images_max: usize) -> Self {
        self.images_max = images_max.max(1);
        self
    }

    /// Outgoing http.
    #[must_use]
    pub fn http(mut self, http: HttpConfig) -> Self {
        self.http = http;
        self
    }

    /// Carries the http of applets in place of the network: for tests and simulations. What the rules of a manifest refuse does not come to it.
    #[must_use]
    pub fn http_transport(mut self, transport: Arc<dyn HttpTransport>) -> Self {
        self.http_transport = Some(transport);
        self
    }

    /// Bounds of all databases together.
    #[must_use]
    pub fn databases(mut self, databases: DatabasesConfig) -> Self {
        self.databases = databases;
        self
    }

    /// Where applets' keys and values are: by default [`SqliteKv`] in the data directory, or in memory without one.
    #[must_use]
    pub fn kv(mut self, store: Arc<dyn KvStore>) -> Self {
        self.kv = Some(store);
        self
    }

    /// Who has the secrets of tenants. Without a source `sdk.secrets` is not available.
    #[must_use]
    pub fn secrets(mut self, source: Arc<dyn SecretSource>) -> Self {
        self.secrets = Some(source);
        self
    }

    /// Takes the events that applets publish. Without a sink `sdk.events` is not available.
    #[must_use]
    pub fn events(mut self, sink: Arc<dyn EventSink>) -> Self {
        self.events = Some(sink);
        self
    }

    /// Takes the jobs that applets enqueue. Without a sink `sdk.jobs` is not available.
    #[must_use]
    pub fn jobs(mut self, sink: Arc<dyn JobSink>) -> Self {
        self.jobs = Some(sink);
        self
    }

    /// Offers a capability of the embedder's own to applets that ask for it.
    #[must_use]
    pub fn capability(mut self, capability: Capability) -> Self {
        self.capabilities.push(capability);
        self
    }

    /// Databases that are open already, in place of those of `data_dir` and `databases`: for whoever works on them beside the host.
    #[must_use]
    pub fn opened_databases(mut self, databases: Databases) -> Self {
        self.opened = Some(databases);
        self
    }

    /// Where time and randomness come from; a seed replays a run.
    #[must_use]
    pub fn source(mut self, source: impl Source) -> Self {
        self.source = Arc::new(source);
        self.deterministic = None;
        self
    }

    /// Runs invocations deterministically: the same applet, engine and input give the same output, log and fuel on any machine. Each
    /// invocation has virtual time of its own, which begins at `now_us` (Unix microseconds) and is carried on by fuel and by its timers, random
    /// numbers of its own that follow from `seed`, and its operations one after the other ([`Virtual`](crate::Virtual); `docs/determinism.md` has
    /// the limits of it). It is for one-off calls, simulations and tests: what an applet draws is not secret.
    ///
    /// ```no_run
    /// use belljar::Host;
    ///
    /// # fn main() -> Result<(), belljar::HostError> {
    /// // 2026-01-01T00:00:00Z
    /// let host = Host::builder().deterministic(1_767_225_600_000_000, 7).build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn deterministic(mut self, now_us: u64, seed: u64) -> Self {
        self.source = Arc::new(Seeded::new(now_us, seed));
        self.deterministic = Some(Deterministic { now_us, seed });
        self
    }

    /// Where log lines of applets go. Without a sink they are counted and dropped.
    #[must_use]
    pub fn log(mut self, sink: Arc<dyn LogSink>) -> Self {
        self.log = Some(sink);
        self
    }

    /// Told of each use of a capability.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Runs applets of the engines `bun`, `node` and `deno`. Without it they are refused.
    #[must_use]
    pub fn processes(mut self, config: ProcessConfig) -> Self {
        self.processes = Some(config);
        self
    }

    /// Records invocations in the sandbox. Without it only [`Host::invoke_recorded`] does.
    #[must_use]
    pub fn recorder(mut self, recorder: Recorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Told what is being done before anything that takes seconds.
    #[must_use]
    pub fn progress(mut self, progress: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Makes the host: compiles the engine, or takes it from the cache.
    ///
    /// # Errors
    /// [`HostError`] when a directory or the configuration cannot be used.
    pub fn build(self) -> Result<Host, HostError> {
        let offered =
            Offered::new(self.capabilities).map_err(|(name, problem)| HostError::Capability { name, problem })?;
        let cache = self.cache_dir.as_deref().map(Cache::open).transpose()?.map(Arc::new);
        let sandbox = Sandbox::new(PoolSize { instances_max: self.instances_max }, cache, &*self.progress)?;
        let unusable = |path: &Path, source| HostError::Data { path: path.to_owned(), source };
        let databases = match (self.opened, &self.data_dir) {
            (Some(opened), _) => opened,
            (None, Some(path)) => Databases::open(path, self.databases).map_err(|source| unusable(path, source))?,
            (None, None) => Databases::in_memory(self.databases),
        };
        let kv: Arc<dyn KvStore> = match (self.kv, &self.data_dir) {
            (Some(kv), _) => kv,
            (None, Some(path)) => Arc::new(SqliteKv::open(path).map_err(|source| unusable(path, source))?),
            (None, None) => Arc::new(SqliteKv::in_memory()),
        };
        let log = self.log.unwrap_or_else(|| Arc::new(Nowhere));
        let processes = self.processes.map(|config| {
            let path = config.directory.clone();
            Processes::new(config, log.clone(), self.source.clone()).map_err(|source| unusable(&path, source))
        });
        let inner = Inner {
            sandbox,
            databases,
            kv,
            secrets: self.secrets,
            events: self.events,
            jobs: self.jobs,
            offered,
            crypto: Crypto::new(),
            http_config: self.http,
            http_transport: self.http_transport,
            http: OnceLock::new(),
            limits: self.limits,
            source: self.source,
            deterministic: self.deterministic,
            log,
            observer: self.observer,
            processes: processes.transpose()?,
            recorder: self.recorder,
            prepared: Mutex::new(Recent::new(self.images_max)),
            base: OnceLock::new(),
            components: OnceLock::new(),
            instances_max: self.instances_max,
            images_max: self.images_max,
            scripts: Mutex::new(Recent::new(self.images_max)),
        };
        // What is configured wrongly is said now, not at the first request; what costs time is made when it is needed.
        HttpClient::new(&inner.http_config).map(drop)?;
        Ok(Host { inner: Arc::new(inner) })
    }
}

/// What all that is not an input follows from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deterministic {
    pub(super) now_us: u64,
    pub(super) seed: u64,
}

/// A sink that keeps nothing.
#[derive(Debug)]
struct Nowhere;

impl LogSink for Nowhere {
    fn write(&self, _: &LogRecord) {}
}
