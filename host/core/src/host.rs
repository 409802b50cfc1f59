//! The host: made once, shared by all callers. `invoke` is the request path, from a release to its outcome; its steps are in `host/call.rs`.

mod blocking;
mod builder;
mod call;
mod program;
mod raw;
mod record;
mod replay;
mod script;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use belljar_package::Engine as EngineKind;

pub use self::blocking::{BlockingError, BlockingHost};
use self::builder::Deterministic;
pub use self::builder::{HostBuilder, HostError, user_cache_dir};
pub use self::program::Evaluation;
pub use self::script::{SCRIPT_BYTES_MAX, Script, ScriptOptions};
use crate::capability::crypto::Crypto;
use crate::capability::custom::Offered;
use crate::capability::db::Databases;
use crate::capability::events::EventSink;
use crate::capability::http::{HttpClient, HttpConfig, HttpTransport};
use crate::capability::jobs::JobSink;
use crate::capability::kv::KvStore;
use crate::capability::log::LogSink;
use crate::capability::secrets::SecretSource;
use crate::catalog::{Catalog, CatalogError, Release};
use crate::engine::component::{Components, PreparedComponent};
use crate::engine::prepare::{Prepared, Source as PrepareSource};
use crate::engine::sandbox::{Sandbox, pagemap_scan_available};
use crate::floor::clock::{Source, Virtual};
use crate::floor::fault::{Fault, FaultCode};
use crate::floor::grants::Grants;
use crate::floor::ids::{AppletId, Digest, InvocationId, TenantId};
use crate::floor::limits::Limits;
use crate::invocation::{Collected, Invocation, Outcome, ResponseSink};
use crate::observe::Observer;
use crate::process::{ProcessStatus, Processes, Running, no_processes, runtime_kind};
use crate::recent::Recent;
use crate::recording::Recorder;

/// Runs applets. Clones are the same host; several hosts can live in one process.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use belljar::{Host, Invocation, TenantId};
///
/// let host = Host::builder().build()?;
/// let package = std::fs::read("pricing.belljar")?;
/// let release = host.install(TenantId::new("acme")?, &package).await?;
/// let outcome = host.invoke(&release, Invocation::json("default", &["A-1"])?).await;
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
    offered: Offered,
    crypto: Crypto,
    http_config: HttpConfig,
    http_transport: Option<Arc<dyn HttpTransport>>,
    http: OnceLock<HttpClient>,
    limits: Limits,
    source: Arc<dyn Source>,
    deterministic: Option<Deterministic>,
    log: Arc<dyn LogSink>,
    observer: Option<Arc<dyn Observer>>,
    processes: Option<Processes>,
    recorder: Option<Recorder>,
    prepared: Mutex<Recent<PreparedKey, Arc<tokio::sync::OnceCell<Arc<Prepared>>>>>,
    base: OnceLock<Arc<Prepared>>,
    /// Made when the first component is prepared.
    components: OnceLock<Arc<Components>>,
    instances_max: u32,
    images_max: usize,
    /// Scripts that were given as text lately, by their source.
    scripts: Mutex<Recent<Digest, Arc<tokio::sync::OnceCell<Release>>>>,
}

/// A package cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// It is not admitted.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// It is, but cannot be prepared: its top-level code fails, or it needs what this host does not have.
    #[error(transparent)]
    Fault(#[from] Fault),
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

/// What a call runs in.
enum Ready {
    Sandbox(Arc<Prepared>),
    Component(Arc<PreparedComponent>),
    Process(Arc<Running>),
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
        HostBuilder::new()
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

    /// Installs a package for a tenant, with everything that it asks for: admits it under the limits of this host, and prepares it, so that whatever
    /// is wrong is said now. What is installed is in the [`Release`], and nowhere else.
    ///
    /// # Errors
    /// [`InstallError`].
    pub async fn install(&self, tenant: TenantId, package: &[u8]) -> Result<Release, InstallError> {
        self.prepared(Release::admit_all(tenant, package, self.limits())?).await
    }

    /// As [`Host::install`], but the tenant grants only this; what the package does not ask for is left out.
    ///
    /// # Errors
    /// [`InstallError`].
    pub async fn install_with(
        &self,
        tenant: TenantId,
        package: &[u8],
        granted: &Grants,
    ) -> Result<Release, InstallError> {
        self.prepared(Release::admit(tenant, package, granted, self.limits())?).await
    }

    async fn prepared(&self, release: Release) -> Result<Release, InstallError> {
        self.prepare(&release).await?;
        Ok(release)
    }

    /// Prepares a release, unless it is: its top-level code runs once and becomes an image, shared by all tenants of the package; of what
    /// runs in a process, one is started, unless one is there; a component is compiled, which takes seconds the first time. Callers that come while it is being prepared wait for the same preparation.
    ///
    /// # Errors
    /// A [`Fault`]: `syntax`, `preparation`, `memory`, `stack`, or `internal`.
    pub async fn prepare(&self, release: &Release) -> Result<Preparation, Fault> {
        self.check(release)?;
        let engine = release.package().descriptor.runtime.engine;
        match runtime_kind(engine) {
            Some(kind) => self.processes(release)?.prepare(release, kind).await.map(|()| Preparation::Process),
            None if engine == EngineKind::Component => self
                .components()?
                .prepare(release)
                .await
                .map(|prepared| Preparation::Component { from_cache: prepared.from_cache }),
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

    /// Whether the host has what the release was granted.
    fn check(&self, release: &Release) -> Result<(), Fault> {
        match self.inner.offered.lacks(&release.grants().custom) {
            Some(message) => Err(Fault::new(FaultCode::Preparation, message)),
            None => Ok(()),
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
        let made =
            Components::new(inner.instances_max, inner.images_max, inner.sandbox.cache.clone()).map_err(|error| {
                tracing::error!(%error, "components cannot be run");
                Fault::new(FaultCode::Internal, "the host cannot run components")
            })?;
        Ok(inner.components.get_or_init(|| Arc::new(made)))
    }

    /// Has whatever runs a release ready.
    async fn ready(&self, release: &Release) -> Result<Ready, Fault> {
        let engine = release.package().descriptor.runtime.engine;
        match runtime_kind(engine) {
            Some(kind) => self.processes(release)?.running(release, kind).await.map(Ready::Process),
            None if engine == EngineKind::Component => self.components()?.prepare(release).await.map(Ready::Component),
            None => self.image(release).await.map(Ready::Sandbox),
        }
    }

    async fn image(&self, release: &Release) -> Result<Arc<Prepared>, Fault> {
        self.image_within(release, release.limits().memory_bytes_max).await
    }

    async fn image_within(&self, release: &Release, memory_bytes_max: u64) -> Result<Arc<Prepared>, Fault> {
        let key = PreparedKey { package: release.digest(), memory_bytes_max };
        let cell = {
            let mut prepared = self.inner.prepared.lock().unwrap_or_else(PoisonError::into_inner);
            prepared.entry(&key).clone()
        };
        let source = PrepareSource { memory_bytes_max, ..prepare_source(release) };
        let prepared = cell.get_or_try_init(|| async { self.inner.sandbox.prepare(source).await.map(Arc::new) });
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
            let message =
                "only applets of engine `wasm` become components: there is no JavaScript engine to put with the others";
            return Err(Fault::new(FaultCode::Preparation, message));
        }
        self.inner.sandbox.standalone(prepare_source(release)).await
    }

    /// Calls one handler of a release, in a fresh sandbox. Preparing it, if it is not prepared, is not billed to the call. A response
    /// that the handler streams is collected.
    pub async fn invoke(&self, release: &Release, invocation: Invocation) -> Outcome {
        let mut collected = Collected::default();
        let outcome = self.call(release, invocation, &mut collected).await;
        collected.complete(outcome)
    }

    /// As [`Host::invoke`], but a response that the handler streams goes to `sink` as it comes, head first, while the invocation goes
    /// on; the outcome is [`Response::Streamed`](crate::Response::Streamed) then. Everything else, a response with a whole body
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
    pub async fn invoke_streaming(
        &self,
        release: &Release,
        invocation: Invocation,
        sink: &mut dyn ResponseSink,
    ) -> Outcome {
        self.call(release, invocation, sink).await
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

    /// Time and randomness of one invocation.
    fn source(&self) -> Arc<dyn Source> {
        match self.inner.deterministic {
            Some(Deterministic { now_us, seed }) => Arc::new(Virtual::new(now_us, seed).with_fuel_clock()),
            None => self.inner.source.clone(),
        }
    }

    /// An id for an invocation, for callers who have to name it before it ends.
    pub fn new_id(&self) -> InvocationId {
        let mut bytes = [0; 16];
        self.inner.source.random(&mut bytes[6..]);
        let time_ms = self.inner.source.now_us() / 1_000;
        bytes[..6].copy_from_slice(&time_ms.to_be_bytes()[2..]);
        InvocationId::new(bytes)
    }
}
