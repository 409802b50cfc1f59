//! The host: made once, shared by all callers. `invoke` is the request path, from a release to its outcome.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use belljar_package::{Engine as EngineKind, Package};

use crate::capability::crypto::Crypto;
use crate::capability::db::{Databases, DatabasesConfig, DbSession};
use crate::capability::events::{EventSink, EventsSession};
use crate::capability::http::{HostBytes, HttpClient, HttpConfig, HttpConfigError, HttpRules, HttpSession, HttpTransport};
use crate::capability::jobs::{JobSink, JobsSession};
use crate::capability::kv::{KvOwner, KvSession, KvStore, SqliteKv};
use crate::capability::log::{LogContext, LogSession, LogSink};
use crate::capability::opened::Capabilities;
use crate::capability::origin::{Chain, Origin};
use crate::capability::secrets::{SecretSource, SecretsSession};
use crate::catalog::{Catalog, CatalogError, Release};
use crate::engine::cache::{Cache, CacheError};
use crate::engine::component::{Call, ComponentRun, Components, PreparedComponent};
use crate::engine::invoke::{Run, Task};
use crate::engine::prepare::{Prepared, Source as PrepareSource};
use crate::engine::sandbox::{PoolSize, Sandbox, SandboxError, pagemap_scan_available};
use crate::floor::clock::{Source, System};
use crate::floor::deadline::Deadline;
use crate::floor::fault::{Fault, FaultCode};
use crate::floor::grants::Grants;
use crate::floor::ids::{AppletId, Digest, InvocationId, TenantId};
use crate::floor::limits::Limits;
use crate::floor::usage::Usage;
use crate::invocation::{Collected, Invocation, Modules, Outcome, Program, Response, ResponseSink};
use crate::observe::{Observer, Watch};
use crate::process::{ProcessConfig, ProcessRun, ProcessStatus, Processes, Running, no_processes, runtime_kind};
use crate::recent::Recent;

/// Instances that can exist at the same time, unless the builder says otherwise.
const INSTANCES_MAX: u32 = 1_000;
/// Images kept in memory, ready to be mapped, unless the builder says otherwise.
const IMAGES_MAX: usize = 208;

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
    opened: Option<Databases>,
    source: Arc<dyn Source>,
    log: Option<Arc<dyn LogSink>>,
    observer: Option<Arc<dyn Observer>>,
    processes: Option<ProcessConfig>,
    progress: Box<dyn Fn(&str) + Send + Sync>,
}

impl HostBuilder {
    /// Where machine code and images are kept: a private directory (0700). Without one, the engine is compiled anew (seconds) by
    /// each process.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
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
            crypto: Crypto::new(),
            http_config: self.http,
            http_transport: self.http_transport,
            http: OnceLock::new(),
            limits: self.limits,
            source: self.source,
            log,
            observer: self.observer,
            processes: processes.transpose()?,
            prepared: Mutex::new(Recent::new(self.images_max)),
            base: OnceLock::new(),
            components: OnceLock::new(),
            instances_max: self.instances_max,
            images_max: self.images_max,
        };
        // What is configured wrongly is said now, not at the first request; what costs time is made when it is needed.
        HttpClient::new(&inner.http_config).map(drop)?;
        Ok(Host { inner: Arc::new(inner) })
    }
}

/// A sink that keeps nothing.
#[derive(Debug)]
struct Nowhere;

impl LogSink for Nowhere {
    fn write(&self, _: &crate::capability::log::LogRecord) {}
}

/// Runs applets. Clones are the same host; several hosts can live in one process.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use belljar::{Host, Invocation, Payload, Release, TenantId};
///
/// let host = Host::builder().build()?;
/// let package = std::fs::read("pricing.belljar")?;
/// let release = Release::admit_all(TenantId::new("acme")?, &package, host.limits())?;
/// let outcome = host.invoke(&release, Invocation::new("default", Payload::Json("{}".into()))).await;
/// println!("{:?}, {} fuel", outcome.result, outcome.usage.fuel);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("engine", &self.engine_digest()).finish_non_exhaustive()
    }
}

struct Inner {
    sandbox: Sandbox,
    databases: Databases,
    kv: Arc<dyn KvStore>,
    secrets: Option<Arc<dyn SecretSource>>,
    events: Option<Arc<dyn EventSink>>,
    jobs: Option<Arc<dyn JobSink>>,
    crypto: Crypto,
    http_config: HttpConfig,
    http_transport: Option<Arc<dyn HttpTransport>>,
    http: OnceLock<HttpClient>,
    limits: Limits,
    source: Arc<dyn Source>,
    log: Arc<dyn LogSink>,
    observer: Option<Arc<dyn Observer>>,
    processes: Option<Processes>,
    prepared: Mutex<Recent<PreparedKey, Arc<tokio::sync::OnceCell<Arc<Prepared>>>>>,
    base: OnceLock<Arc<Prepared>>,
    /// Made when the first component is prepared.
    components: OnceLock<Arc<Components>>,
    instances_max: u32,
    images_max: usize,
}

/// A release that is ready to be called.
#[derive(Debug, Clone)]
pub enum Preparation {
    /// Its image is there.
    Image(Arc<Prepared>),
    /// Its component is compiled.
    Component {
        /// Whether the machine code of an earlier preparation was used.
        from_cache: bool,
    },
    /// A process of it has answered.
    Process,
}

impl Preparation {
    /// Its image; none of a component, or of what runs in a process.
    pub fn image(&self) -> Option<&Prepared> {
        match self {
            Self::Image(prepared) => Some(prepared),
            Self::Component { .. } | Self::Process => None,
        }
    }

    /// Whether what an earlier preparation has made was used.
    pub fn from_cache(&self) -> bool {
        match self {
            Self::Image(prepared) => prepared.from_cache(),
            Self::Component { from_cache } => *from_cache,
            Self::Process => false,
        }
    }
}

/// An image depends on the package and on how much memory its top-level code may use.
#[derive(Clone, PartialEq, Eq, Hash)]
struct PreparedKey {
    package: Digest,
    memory_bytes_max: u64,
}

/// Options of [`Host::evaluate`].
#[derive(Clone)]
pub struct Evaluation {
    /// The program.
    pub program: Program,
    /// What it may do: `sdk` has these parts only.
    pub grants: Grants,
    /// Its limits.
    pub limits: Limits,
    /// Modules it may import.
    pub modules: Option<Arc<dyn Modules>>,
    /// Whose database and log it gets.
    pub tenant: TenantId,
}

/// What a call runs in.
enum Engine {
    Sandbox(Arc<Prepared>),
    Component(Arc<PreparedComponent>),
    Process(Arc<Running>),
}

/// For whom capabilities are opened. What few invocations need is made when it is needed.
struct Who<'a> {
    tenant: &'a TenantId,
    applet: &'a AppletId,
    package: Option<&'a Arc<Package>>,
    origin: &'a dyn Fn() -> Origin,
}

/// What an image is made of.
fn prepare_source(release: &Release) -> PrepareSource<'_> {
    let package = release.package();
    PrepareSource {
        package: release.digest(),
        bundle: &package.bundle,
        source_map: &package.source_map,
        memory_bytes_max: release.limits().memory_bytes_max,
        locales: &package.descriptor.runtime.locales,
    }
}

impl Host {
    /// Begins to configure a host.
    pub fn builder() -> HostBuilder {
        HostBuilder {
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
            opened: None,
            source: Arc::new(System),
            log: None,
            observer: None,
            processes: None,
            progress: Box::new(|_| {}),
        }
    }

    /// The most any applet gets.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// The applets' databases, for an operator's work on them.
    pub fn databases(&self) -> &Databases {
        &self.inner.databases
    }

    /// Names engine, Wasmtime and configuration: figures of fuel are comparable under one digest only.
    pub fn engine_digest(&self) -> Digest {
        self.inner.sandbox.digest
    }

    /// Names the data behind `Intl` (ICU4X and the time zone database): with the engine digest, what a recording has to name, because
    /// another version may format differently.
    pub fn intl_version(&self) -> String {
        belljar_intl::version()
    }

    /// Applets' keys and values, for the operator.
    pub fn kv(&self) -> &Arc<dyn KvStore> {
        &self.inner.kv
    }

    /// What was unusual while the host was set up, for people.
    pub fn notes(&self) -> &[String] {
        &self.inner.sandbox.notes
    }

    /// Whether this kernel can tell dirty pages, which a fresh instance in tens of microseconds depends on (Linux 6.7 and later).
    pub fn restores_dirty_pages_only(&self) -> bool {
        pagemap_scan_available()
    }

    /// Prepares a release, unless it is: its top-level code runs once and becomes an image, shared by all tenants of the package; of what
    /// runs in a process, one is started, unless one is there; a component is compiled, which takes seconds the first time. Callers that come while it is being prepared wait for the same preparation.
    ///
    /// # Errors
    /// A [`Fault`]: `syntax`, `preparation`, `memory`, `stack`, or `internal`.
    pub async fn prepare(&self, release: &Release) -> Result<Preparation, Fault> {
        let engine = release.package().descriptor.runtime.engine;
        match runtime_kind(engine) {
            Some(kind) => self.processes(release)?.prepare(release, kind).await.map(|()| Preparation::Process),
            None if engine == EngineKind::Component => {
                self.components()?.prepare(release).await.map(|prepared| Preparation::Component { from_cache: prepared.from_cache })
            }
            None => self.image(release).await.map(Preparation::Image),
        }
    }

    /// How the processes of applets are, by tenant and applet; empty without any.
    pub fn process_status(&self) -> Vec<ProcessStatus> {
        self.inner.processes.as_ref().map(Processes::status).unwrap_or_default()
    }

    /// Ends the processes of an applet and forgets their failures: an open circuit is closed. Whether there were any.
    pub fn reset_processes(&self, tenant: &TenantId, applet: &AppletId) -> bool {
        self.inner.processes.as_ref().is_some_and(|processes| processes.reset(tenant, applet))
    }

    /// Ends all processes of applets, when the calls in them are done or their time to drain is over. Later calls start new ones.
    pub async fn shutdown_processes(&self) {
        if let Some(processes) = &self.inner.processes {
            processes.shutdown().await;
        }
    }

    fn processes(&self, release: &Release) -> Result<&Processes, Fault> {
        let engine = release.package().descriptor.runtime.engine;
        self.inner.processes.as_ref().ok_or_else(|| Fault::new(FaultCode::Preparation, no_processes(engine)))
    }

    fn components(&self) -> Result<&Arc<Components>, Fault> {
        let inner = &self.inner;
        if let Some(components) = inner.components.get() {
            return Ok(components);
        }
        let made = Components::new(inner.instances_max, inner.images_max, inner.sandbox.cache.clone()).map_err(|error| {
            tracing::error!(%error, "components cannot be run");
            Fault::new(FaultCode::Internal, "the host cannot run components")
        })?;
        Ok(inner.components.get_or_init(|| Arc::new(made)))
    }

    /// Has whatever runs a release ready.
    async fn ready(&self, release: &Release) -> Result<Engine, Fault> {
        let engine = release.package().descriptor.runtime.engine;
        match runtime_kind(engine) {
            Some(kind) => self.processes(release)?.running(release, kind).await.map(Engine::Process),
            None if engine == EngineKind::Component => self.components()?.prepare(release).await.map(Engine::Component),
            None => self.image(release).await.map(Engine::Sandbox),
        }
    }

    async fn image(&self, release: &Release) -> Result<Arc<Prepared>, Fault> {
        let key = PreparedKey { package: release.digest(), memory_bytes_max: release.limits().memory_bytes_max };
        let cell = {
            let mut prepared = self.inner.prepared.lock().unwrap_or_else(PoisonError::into_inner);
            prepared.entry(&key).clone()
        };
        let prepared = cell.get_or_try_init(|| async { self.inner.sandbox.prepare(prepare_source(release)).await.map(Arc::new) });
        prepared.await.cloned()
    }

    /// The applet and the JavaScript engine as one WebAssembly component, for other embedders of Wasmtime: it exports `start` and `resume` of
    /// the world `belljar:applet/applet`, and imports its interfaces and nothing else (`docs/components.md`). Its top-level code runs for this.
    ///
    /// # Errors
    /// Those of [`Host::prepare`]; `preparation` as well when the applet does not run in the JavaScript engine.
    ///
    /// ```no_run
    /// # async fn example(host: belljar::Host, release: belljar::Release) -> Result<(), Box<dyn std::error::Error>> {
    /// std::fs::write("pricing.wasm", host.standalone_component(&release).await?)?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn standalone_component(&self, release: &Release) -> Result<Vec<u8>, Fault> {
        if !release.package().descriptor.is_wasm() {
            let message = "only applets of engine `wasm` become components: there is no JavaScript engine to put with the others";
            return Err(Fault::new(FaultCode::Preparation, message));
        }
        self.inner.sandbox.standalone(prepare_source(release)).await
    }

    /// Calls one handler of a release, in a fresh sandbox. Preparing it, if it is not prepared, is not billed to the call. A response
    /// that the handler streams is collected.
    pub async fn invoke(&self, release: &Release, invocation: Invocation) -> Outcome {
        let mut collected = Collected::default();
        let outcome = self.call(release, invocation, &mut collected).await;
        match (&outcome.result, collected.into_reply()) {
            (Ok(Response::Streamed(_)), Some(whole)) => Outcome { result: Ok(Response::Http(whole)), ..outcome },
            _ => outcome,
        }
    }

    /// As [`Host::invoke`], but a response that the handler streams goes to `sink` as it comes, head first, while the invocation goes
    /// on; the outcome is [`Response::Streamed`] then. Everything else, a response with a whole body
    /// too, is in the outcome as ever, and `sink` is not called.
    ///
    /// Dropping the future ends the invocation, as it does for [`Host::invoke`].
    ///
    /// ```no_run
    /// use belljar::{Bytes, Host, Invocation, Outcome, Release, ResponseHead, ResponseSink, SinkClosed, Taking};
    /// use tokio::sync::mpsc::Sender;
    ///
    /// /// Chunks go through a channel: the applet waits while it is full.
    /// struct Channel(Sender<Bytes>);
    ///
    /// impl ResponseSink for Channel {
    ///     fn head(&mut self, head: ResponseHead) -> Taking<'_> {
    ///         println!("{}", head.status);
    ///         Box::pin(async { Ok(()) })
    ///     }
    ///     fn chunk(&mut self, bytes: Bytes) -> Taking<'_> {
    ///         Box::pin(async { self.0.send(bytes).await.map_err(|_| SinkClosed) })
    ///     }
    ///     fn end(&mut self) -> Taking<'_> {
    ///         Box::pin(async { Ok(()) })
    ///     }
    /// }
    ///
    /// async fn stream(host: &Host, release: &Release, invocation: Invocation, chunks: Sender<Bytes>) -> Outcome {
    ///     host.invoke_streaming(release, invocation, &mut Channel(chunks)).await
    /// }
    /// ```
    pub async fn invoke_streaming(&self, release: &Release, invocation: Invocation, sink: &mut dyn ResponseSink) -> Outcome {
        self.call(release, invocation, sink).await
    }

    async fn call(&self, release: &Release, mut invocation: Invocation, sink: &mut dyn ResponseSink) -> Outcome {
        let id = invocation.id.take().unwrap_or_else(|| self.new_id());
        let source = invocation.source.take().unwrap_or_else(|| self.inner.source.clone());
        let Some(handler) = release.package().descriptor.handlers.iter().find(|h| h.name == invocation.handler) else {
            let names: Vec<_> = release.package().descriptor.handlers.iter().map(|h| h.name.as_str()).collect();
            let message = format!("applet {} has no handler {:?}; it has: {}", release.applet(), invocation.handler, names.join(", "));
            return Outcome { id, result: Err(Fault::new(FaultCode::HandlerNotFound, message)), usage: Usage::default() };
        };
        let ready = match self.ready(release).await {
            Ok(ready) => ready,
            Err(fault) => return Outcome { id, result: Err(fault), usage: Usage::default() },
        };
        let limits = release.limits();
        let begun = Instant::now();
        let deadline = Deadline::new(begun, limits.deadline_ms);
        let version = release.package().descriptor.version.to_string();
        let context = LogContext {
            tenant: release.tenant().clone(),
            applet: release.applet().clone(),
            version: version.clone(),
            handler: handler.name.clone(),
            invocation: id.clone(),
        };
        let origin = || Origin {
            tenant: release.tenant().clone(),
            applet: release.applet().clone(),
            handler: handler.name.clone(),
            invocation: id.clone(),
            chain: invocation.chain.clone(),
            job: invocation.job.clone(),
        };
        let who = Who { tenant: release.tenant(), applet: release.applet(), package: Some(release.package()), origin: &origin };
        let (capabilities, host_bytes) = self.capabilities(who, release.grants(), limits, context, &deadline, &source);
        let prepared = match ready {
            Engine::Sandbox(prepared) => prepared,
            Engine::Component(prepared) => {
                let (turns, until) = (invocation.turns.take(), invocation.until.take());
                let call = Call::new(&id, release, handler, version, invocation);
                let run = ComponentRun { prepared: &prepared, limits, source, capabilities, host_bytes, call, turns, until, begun, deadline };
                let (result, usage) = match self.components() {
                    Ok(components) => components.invoke(run).await,
                    Err(fault) => (Err(fault), Usage::default()),
                };
                return Outcome { id, result, usage };
            }
            Engine::Process(running) => {
                let run = ProcessRun { id: &id, release, handler, invocation, capabilities, host_bytes, source, sink, begun, deadline };
                let (result, usage) = running.invoke(run).await;
                return Outcome { id, result, usage };
            }
        };
        let turns = invocation.turns.take();
        let until = invocation.until.take();
        let task = Task::call(&id, release, handler, version, invocation);
        let run = Run {
            prepared: &prepared,
            limits,
            source,
            capabilities,
            host_bytes,
            task,
            turns,
            until,
            sink,
            begun,
            deadline,
        };
        let (result, usage) = self.inner.sandbox.invoke(run).await;
        Outcome { id, result, usage }
    }

    /// Looks a release up in a catalog and calls one of its handlers.
    ///
    /// # Errors
    /// [`CatalogError`] when the tenant has no such applet.
    pub async fn invoke_from(
        &self,
        catalog: Arc<dyn Catalog>,
        tenant: TenantId,
        applet: AppletId,
        invocation: Invocation,
    ) -> Result<Outcome, CatalogError> {
        let looked_up = tokio::task::spawn_blocking(move || catalog.release(&tenant, &applet)).await;
        let release = looked_up.map_err(|_| CatalogError::Io(std::io::Error::other("the catalog failed")))??;
        Ok(self.invoke(&release, invocation).await)
    }

    /// Evaluates a program given as text in a fresh sandbox, and drains its event loop.
    pub async fn evaluate(&self, evaluation: Evaluation) -> Outcome {
        let id = self.new_id();
        let base = match self.inner.base.get() {
            Some(base) => base.clone(),
            None => match self.inner.sandbox.prepared_base() {
                Ok(base) => self.inner.base.get_or_init(|| Arc::new(base)).clone(),
                Err(fault) => return Outcome { id, result: Err(fault), usage: Usage::default() },
            },
        };
        let begun = Instant::now();
        let Evaluation { program, grants, limits, modules, tenant } = evaluation;
        let limits = limits.for_package(&belljar_package::Limits::default());
        let deadline = Deadline::new(begun, limits.deadline_ms);
        let applet = AppletId::new("eval").expect("a valid name");
        let context = LogContext {
            tenant: tenant.clone(),
            applet: applet.clone(),
            version: String::new(),
            handler: String::new(),
            invocation: id.clone(),
        };
        let origin = || Origin {
            tenant: tenant.clone(),
            applet: applet.clone(),
            handler: String::new(),
            invocation: id.clone(),
            chain: Chain::default(),
            job: None,
        };
        let who = Who { tenant: &tenant, applet: &applet, package: None, origin: &origin };
        let source = self.inner.source.clone();
        let (mut capabilities, host_bytes) = self.capabilities(who, &grants, &limits, context, &deadline, &source);
        capabilities.modules = modules;
        let task = Task::program(&id, &tenant, &applet, &grants, program);
        let run = Run {
            prepared: &base,
            limits: &limits,
            source,
            capabilities,
            host_bytes,
            task,
            turns: None,
            until: None,
            // A program answers nobody.
            sink: &mut Collected::default(),
            begun,
            deadline,
        };
        let (result, usage) = self.inner.sandbox.invoke(run).await;
        Outcome { id, result, usage }
    }

    /// An id for an invocation, for callers who have to name it before it ends.
    pub fn new_id(&self) -> InvocationId {
        let mut bytes = [0; 16];
        self.inner.source.random(&mut bytes[6..]);
        let time_ms = self.inner.source.now_us() / 1_000;
        bytes[..6].copy_from_slice(&time_ms.to_be_bytes()[2..]);
        InvocationId::new(bytes)
    }

    /// Opens what was granted, for one invocation.
    fn capabilities(
        &self,
        who: Who<'_>,
        grants: &Grants,
        limits: &Limits,
        context: LogContext,
        deadline: &Deadline,
        source: &Arc<dyn Source>,
    ) -> (Capabilities, HostBytes) {
        let host_bytes = HostBytes::new(limits.host_bytes_max);
        let inner = &self.inner;
        let Who { tenant, applet, package, origin } = who;
        let db = |granted: bool| -> Option<DbSession> {
            granted.then(|| inner.databases.session(tenant.clone(), applet.clone(), limits.db.clone(), Some(deadline.clone())))
        };
        let secrets = (!grants.secrets.is_empty())
            .then(|| SecretsSession::new(inner.secrets.clone(), grants.secrets.clone(), tenant.clone(), applet.clone()));
        let in_use = secrets.as_ref().map(|secrets| secrets.in_use().clone());
        let http = |rules: &[belljar_package::HttpRule]| -> Option<HttpSession> {
            if rules.is_empty() {
                return None;
            }
            let rules = Arc::new(HttpRules::new(rules));
            let session = self.http_client()?.session(rules, limits.http.clone(), deadline.clone()).with_host_bytes(host_bytes.clone());
            Some(session.with_secrets(in_use.clone()))
        };
        let kv = grants.kv.then(|| {
            let owner = KvOwner { tenant: tenant.clone(), applet: applet.clone() };
            KvSession::new(inner.kv.clone(), owner, limits.kv.clone())
        });
        let (db, http) = (db(grants.db), http(&grants.http));
        let events = (!grants.events_publish.is_empty())
            .then(|| EventsSession::new(inner.events.clone(), grants.events_publish.clone(), origin(), limits.events.clone()));
        let jobs = grants.jobs.then(|| JobsSession::new(inner.jobs.clone(), package.cloned(), origin(), limits.jobs.clone()));
        let watch = self.inner.observer.clone().map(|observer| Watch { observer, context: Arc::new(context.clone()) });
        let capabilities = Capabilities {
            db,
            http,
            kv,
            secrets,
            events,
            jobs,
            // Computation only: nothing to grant.
            crypto: self.inner.crypto.session(limits.crypto.clone(), host_bytes.clone()),
            log: LogSession::new(context, self.inner.log.clone(), source.clone(), limits),
            modules: None,
            watch,
        };
        (capabilities, host_bytes)
    }

    /// Made at the first use: reading the certificates takes longer than many an invocation.
    fn http_client(&self) -> Option<&HttpClient> {
        if let Some(client) = self.inner.http.get() {
            return Some(client);
        }
        // The configuration was checked when the host was built.
        let client = HttpClient::new(&self.inner.http_config).ok()?;
        let client = match &self.inner.http_transport {
            Some(transport) => client.with_transport(transport.clone()),
            None => client,
        };
        Some(self.inner.http.get_or_init(|| client))
    }
}
