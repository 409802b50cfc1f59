//! The host: made once, shared by all callers. `invoke` is the request path, from a release to its outcome.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use belljar_package::Engine as EngineKind;

use crate::capability::crypto::Crypto;
use crate::capability::db::{Databases, DatabasesConfig, DbSession, Deadline};
use crate::capability::http::{HostBytes, HttpClient, HttpConfig, HttpConfigError, HttpRules, HttpSession};
use crate::capability::log::{LogContext, LogSession, LogSink};
use crate::catalog::{Catalog, CatalogError, Release};
use crate::engine::cache::{Cache, CacheError};
use crate::engine::imports::Capabilities;
use crate::engine::invoke::{Run, Task};
use crate::engine::prepare::{Prepared, Source as PrepareSource};
use crate::engine::sandbox::{PoolSize, Sandbox, SandboxError, pagemap_scan_available};
use crate::floor::clock::{Source, System};
use crate::floor::fault::{Fault, FaultCode};
use crate::floor::grants::Grants;
use crate::floor::ids::{AppletId, Digest, InvocationId, TenantId};
use crate::floor::limits::Limits;
use crate::floor::usage::Usage;
use crate::invocation::{Collected, Invocation, Modules, Outcome, Program, Response, ResponseSink};
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
    databases: DatabasesConfig,
    source: Arc<dyn Source>,
    log: Option<Arc<dyn LogSink>>,
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

    /// Where applets' databases are. Without one they live in memory and end with the host.
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

    /// Bounds of all databases together.
    #[must_use]
    pub fn databases(mut self, databases: DatabasesConfig) -> Self {
        self.databases = databases;
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
        let cache = self.cache_dir.as_deref().map(Cache::open).transpose()?;
        let sandbox = Sandbox::new(PoolSize { instances_max: self.instances_max }, cache, &*self.progress)?;
        let databases = match self.data_dir {
            Some(path) => Databases::open(&path, self.databases).map_err(|source| HostError::Data { path, source })?,
            None => Databases::in_memory(self.databases),
        };
        let inner = Inner {
            sandbox,
            databases,
            crypto: Crypto::new(),
            http_config: self.http,
            http: OnceLock::new(),
            limits: self.limits,
            source: self.source,
            log: self.log.unwrap_or_else(|| Arc::new(Nowhere)),
            prepared: Mutex::new(Recent::new(self.images_max)),
            base: OnceLock::new(),
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
    crypto: Crypto,
    http_config: HttpConfig,
    http: OnceLock<HttpClient>,
    limits: Limits,
    source: Arc<dyn Source>,
    log: Arc<dyn LogSink>,
    prepared: Mutex<Recent<PreparedKey, Arc<tokio::sync::OnceCell<Arc<Prepared>>>>>,
    base: OnceLock<Arc<Prepared>>,
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
            databases: DatabasesConfig::default(),
            source: Arc::new(System),
            log: None,
            progress: Box::new(|_| {}),
        }
    }

    /// The most any applet gets.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
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

    /// What was unusual while the host was set up, for people.
    pub fn notes(&self) -> &[String] {
        &self.inner.sandbox.notes
    }

    /// Whether this kernel can tell dirty pages, which a fresh instance in tens of microseconds depends on (Linux 6.7 and later).
    pub fn restores_dirty_pages_only(&self) -> bool {
        pagemap_scan_available()
    }

    /// Prepares a release, unless it is: its top-level code runs once and becomes an image, shared by all tenants of the package.
    /// Callers that come while it is being prepared wait for the same preparation.
    ///
    /// # Errors
    /// A [`Fault`]: `syntax`, `preparation`, `memory`, `stack`, or `internal`.
    pub async fn prepare(&self, release: &Release) -> Result<Arc<Prepared>, Fault> {
        let kind = release.package().descriptor.runtime.engine;
        if kind != EngineKind::Wasm {
            let message = format!("this host has no engine {kind:?} yet: only `runtime.engine: wasm` runs");
            return Err(Fault::new(FaultCode::Preparation, message));
        }
        let key = PreparedKey { package: release.digest(), memory_bytes_max: release.limits().memory_bytes_max };
        let cell = {
            let mut prepared = self.inner.prepared.lock().unwrap_or_else(PoisonError::into_inner);
            prepared.entry(&key).clone()
        };
        let prepared = cell.get_or_try_init(|| async {
            let package = release.package();
            let source = PrepareSource {
                package: release.digest(),
                bundle: &package.bundle,
                source_map: &package.source_map,
                memory_bytes_max: release.limits().memory_bytes_max,
                locales: &package.descriptor.runtime.locales,
            };
            self.inner.sandbox.prepare(source).await.map(Arc::new)
        });
        prepared.await.cloned()
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

    async fn call(&self, release: &Release, invocation: Invocation, sink: &mut dyn ResponseSink) -> Outcome {
        let id = self.new_id();
        let Some(handler) = release.package().descriptor.handlers.iter().find(|h| h.name == invocation.handler) else {
            let names: Vec<_> = release.package().descriptor.handlers.iter().map(|h| h.name.as_str()).collect();
            let message = format!("applet {} has no handler {:?}; it has: {}", release.applet(), invocation.handler, names.join(", "));
            return Outcome { id, result: Err(Fault::new(FaultCode::HandlerNotFound, message)), usage: Usage::default() };
        };
        let prepared = match self.prepare(release).await {
            Ok(prepared) => prepared,
            Err(fault) => return Outcome { id, result: Err(fault), usage: Usage::default() },
        };
        let begun = Instant::now();
        let limits = release.limits();
        let version = release.package().descriptor.version.to_string();
        let context = LogContext {
            tenant: release.tenant().clone(),
            applet: release.applet().clone(),
            version: version.clone(),
            handler: handler.name.clone(),
            invocation: id.clone(),
        };
        let (capabilities, host_bytes) = self.capabilities(release.tenant(), release.applet(), release.grants(), limits, context, begun);
        let task = Task::call(&id, release, handler, version, invocation);
        let run = Run {
            prepared: &prepared,
            limits,
            source: self.inner.source.clone(),
            capabilities,
            host_bytes,
            task,
            sink,
            begun,
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
        let applet = AppletId::new("eval").expect("a valid name");
        let context = LogContext {
            tenant: tenant.clone(),
            applet: applet.clone(),
            version: String::new(),
            handler: String::new(),
            invocation: id.clone(),
        };
        let (mut capabilities, host_bytes) = self.capabilities(&tenant, &applet, &grants, &limits, context, begun);
        capabilities.modules = modules;
        let task = Task::program(&id, &tenant, &applet, &grants, program);
        let run = Run {
            prepared: &base,
            limits: &limits,
            source: self.inner.source.clone(),
            capabilities,
            host_bytes,
            task,
            // A program answers nobody.
            sink: &mut Collected::default(),
            begun,
        };
        let (result, usage) = self.inner.sandbox.invoke(run).await;
        Outcome { id, result, usage }
    }

    fn new_id(&self) -> InvocationId {
        let mut bytes = [0; 16];
        self.inner.source.random(&mut bytes);
        InvocationId::new(bytes)
    }

    /// Opens what was granted, for one invocation.
    fn capabilities(
        &self,
        tenant: &TenantId,
        applet: &AppletId,
        grants: &Grants,
        limits: &Limits,
        context: LogContext,
        begun: Instant,
    ) -> (Capabilities, HostBytes) {
        let host_bytes = HostBytes::new(limits.host_bytes_max);
        let at = begun + Duration::from_millis(limits.deadline_ms);
        let db = |granted: bool| -> Option<DbSession> {
            let deadline = Deadline { at, allowed_ms: limits.deadline_ms };
            granted.then(|| self.inner.databases.session(tenant.clone(), applet.clone(), limits.db.clone(), Some(deadline)))
        };
        let http = |rules: &[belljar_package::HttpRule]| -> Option<HttpSession> {
            if rules.is_empty() {
                return None;
            }
            let rules = Arc::new(HttpRules::new(rules));
            Some(self.http_client()?.session(rules, limits.http.clone(), at).with_host_bytes(host_bytes.clone()))
        };
        let capabilities = Capabilities {
            db: db(grants.db),
            http: http(&grants.http),
            // Computation only: nothing to grant.
            crypto: self.inner.crypto.session(limits.crypto.clone(), host_bytes.clone()),
            log: LogSession::new(context, self.inner.log.clone(), self.inner.source.clone(), limits),
            modules: None,
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
        Some(self.inner.http.get_or_init(|| client))
    }
}
