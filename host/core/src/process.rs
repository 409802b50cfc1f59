//! Applets in processes: what `belljar-process` starts and supervises, with the capabilities of this host. Read in the order of a call:
//! `Processes::running` finds or makes the supervisor of a release, `call` gives it the invocation, `broker` answers what the applet asks
//! for meanwhile, `values` says what of JSON is what.

mod broker;
mod call;
mod logs;
mod place;
mod values;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use belljar_package::{Engine, Package};
use belljar_process::{
    Bound, CodeCache, Jail, ProcessLimits, Program, Runtime, RuntimeKind, RuntimeSearch, Spec, Status, Supervision,
    Supervisor,
};

pub(crate) use self::call::ProcessRun;
use self::logs::ProcessLogs;
use crate::capability::log::LogSink;
use crate::capability::secrets::in_use::InUse;
use crate::catalog::Release;
use crate::floor::clock::Source;
use crate::floor::fault::{Fault, FaultCode};
use crate::floor::ids::{AppletId, Digest, TenantId};
use crate::floor::limits::Limits;
use crate::positions::{BUNDLE, Positions};

/// Calls in one process at the same time, when the manifest does not say.
const CONCURRENCY_DEFAULT: u32 = 100;
/// How long the process of an earlier release goes on without a call, once there is a newer one.
const RETIRED_IDLE: Duration = Duration::from_secs(5);
/// Supervisors that have had nothing to do for so long are forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// How a host runs applets whose manifest says `engine: bun`, `node` or `deno`. Without it they are refused. It is for Linux only: elsewhere a
/// host that has one cannot be built ([`belljar_process::UNSUPPORTED`] says why).
///
/// ```no_run
/// use belljar::{Host, ProcessConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut processes = ProcessConfig::new("/var/lib/belljar/process");
/// processes.programs.bun = Some("/usr/local/bin/bun".into());
/// let host = Host::builder().processes(processes).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ProcessConfig {
    /// Where bundles are unpacked and processes have their sockets: a private directory with a short path (a socket's path has at most 107
    /// bytes).
    pub directory: PathBuf,
    /// Programs, where they are not to be looked for.
    pub programs: RuntimePrograms,
    /// Folders with `node_modules` in which runtimes were installed as npm packages (`bun`, `@oven/bun-linux-x64`, `deno`, …).
    pub packages: Vec<PathBuf>,
    /// In place of `PATH`, where runtimes are looked for at last; `None` for nowhere.
    pub path: Option<OsString>,
    /// The jail of every process; without one it can do what the host's user can. The folder of its package is added to what it may read.
    pub jail: Option<Jail>,
    /// Starts, health, restarts, the circuit breaker. Interval and time-out of health checks are those of a manifest that has a
    /// `healthCheck`.
    pub supervision: Supervision,
}

/// The program of each runtime; `None` for one that is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimePrograms {
    /// Bun.
    pub bun: Option<PathBuf>,
    /// Node.
    pub node: Option<PathBuf>,
    /// Deno.
    pub deno: Option<PathBuf>,
}

impl ProcessConfig {
    /// Runtimes are found by `PATH`; processes are supervised by default values, and have no jail.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            programs: RuntimePrograms::default(),
            packages: Vec::new(),
            path: std::env::var_os("PATH"),
            jail: None,
            supervision: Supervision::default(),
        }
    }

    fn search(&self, kind: RuntimeKind, range: Option<&semver::VersionReq>) -> RuntimeSearch {
        let configured = match kind {
            RuntimeKind::Bun => &self.programs.bun,
            RuntimeKind::Node => &self.programs.node,
            RuntimeKind::Deno => &self.programs.deno,
        };
        RuntimeSearch {
            kind,
            configured: configured.clone(),
            packages: self.packages.clone(),
            path: self.path.clone(),
            range: range.cloned().unwrap_or(semver::VersionReq::STAR),
        }
    }
}

/// The runtime that an engine is; `None` for those that run in the sandbox.
pub(crate) fn runtime_kind(engine: Engine) -> Option<RuntimeKind> {
    match engine {
        Engine::Bun => Some(RuntimeKind::Bun),
        Engine::Node => Some(RuntimeKind::Node),
        Engine::Deno => Some(RuntimeKind::Deno),
        Engine::Wasm | Engine::Component => None,
    }
}

pub(crate) fn no_processes(engine: Engine) -> String {
    let name = format!("{engine:?}").to_lowercase();
    match belljar_process::UNSUPPORTED {
        Some(why) => format!("this one needs {name} (runtime.engine), which this operating system has not: {why}"),
        None => format!("this host runs no applets in processes, and this one needs {name} (runtime.engine)"),
    }
}

/// The version of the engine that runs applets with this `runtime.engine` and `runtime.version`: of `wasm` and `component`, of Belljar itself; of the others,
/// of the runtime that is found.
///
/// # Errors
/// A [`Fault`] `preparation` that says what is missing.
pub async fn engine_version(
    processes: Option<&ProcessConfig>,
    engine: Engine,
    range: Option<&semver::VersionReq>,
) -> Result<semver::Version, Fault> {
    let refuse = |message: String| Fault::new(FaultCode::Preparation, message);
    if let Some(kind) = runtime_kind(engine) {
        let config =
            processes.filter(|_| belljar_process::UNSUPPORTED.is_none()).ok_or_else(|| refuse(no_processes(engine)))?;
        return config
            .search(kind, range)
            .find()
            .await
            .map(|runtime| runtime.version)
            .map_err(|error| refuse(error.to_string()));
    }
    let own = semver::Version::parse(env!("CARGO_PKG_VERSION")).map_err(|error| refuse(error.to_string()))?;
    match range {
        Some(range) if !range.matches(&own) => {
            Err(refuse(format!("the package needs Belljar {range} (runtime.version), this is {own}")))
        }
        _ => Ok(own),
    }
}

/// How the process of one release is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessStatus {
    /// The tenant.
    pub tenant: TenantId,
    /// The applet.
    pub applet: AppletId,
    /// Its version.
    pub version: String,
    /// The package's digest.
    pub digest: Digest,
    /// The engine.
    pub engine: Engine,
    /// The program that runs it, and its version.
    pub program: String,
    /// Resident memory at which one of them is killed, bytes.
    pub memory_bytes_max: Bound,
    /// How the supervisor sees it.
    pub status: Status,
}

/// A release whose processes are supervised.
pub(crate) struct Running {
    key: Key,
    version: String,
    runtime: Runtime,
    limits: ProcessLimits,
    supervisor: Supervisor,
    positions: Arc<Positions>,
    /// Secrets that any call of it has asked for: they may be in whatever it writes.
    secrets: Arc<InUse>,
    used: Mutex<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    tenant: TenantId,
    applet: AppletId,
    digest: Digest,
}

/// All processes of a host.
pub(crate) struct Processes {
    config: ProcessConfig,
    log: Arc<dyn LogSink>,
    source: Arc<dyn Source>,
    runtimes: tokio::sync::Mutex<HashMap<(RuntimeKind, String), Runtime>>,
    running: Arc<Mutex<HashMap<Key, Arc<Running>>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under these locks can panic half way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Processes {
    pub(crate) fn new(
        mut config: ProcessConfig,
        log: Arc<dyn LogSink>,
        source: Arc<dyn Source>,
    ) -> std::io::Result<Self> {
        if let Some(why) = belljar_process::UNSUPPORTED {
            return Err(std::io::Error::new(std::io::ErrorKind::Unsupported, why));
        }
        place::private(&config.directory)?;
        if let Some(jail) = &mut config.jail {
            jail.code_cache.get_or_insert_with(|| CodeCache::new(place::code(&config.directory)));
        }
        Ok(Self { config, log, source, runtimes: tokio::sync::Mutex::default(), running: Arc::default() })
    }

    /// The runtime of an engine, within a range of versions.
    pub(crate) async fn runtime(
        &self,
        kind: RuntimeKind,
        range: Option<&semver::VersionReq>,
    ) -> Result<Runtime, Fault> {
        let key = (kind, range.map(ToString::to_string).unwrap_or_default());
        let mut runtimes = self.runtimes.lock().await;
        if let Some(runtime) = runtimes.get(&key) {
            return Ok(runtime.clone());
        }
        // What was not found is looked for again: it may be installed meanwhile.
        let found = self.config.search(kind, range).find().await;
        let runtime = found.map_err(|error| Fault::new(FaultCode::Preparation, error.to_string()))?;
        runtimes.insert(key, runtime.clone());
        Ok(runtime)
    }

    /// The supervisor of a release. Nothing is started yet.
    pub(crate) async fn running(&self, release: &Release, kind: RuntimeKind) -> Result<Arc<Running>, Fault> {
        let key = Key { tenant: release.tenant().clone(), applet: release.applet().clone(), digest: release.digest() };
        let limits = limits(release);
        if let Some(running) = locked(&self.running).get(&key)
            && running.limits == limits
        {
            running.touch();
            return Ok(running.clone());
        }
        let descriptor = &release.package().descriptor;
        let runtime = self.runtime(kind, descriptor.runtime.version.as_ref()).await?;
        let (folder, package, digest) = (self.config.directory.clone(), release.package().clone(), release.digest());
        let unpacked = tokio::task::spawn_blocking(move || place::unpack(&folder, &package, digest)).await;
        let bundle = unpacked.unwrap_or_else(|_| Err(std::io::Error::other("unpacking failed"))).map_err(|error| {
            tracing::error!(%error, applet = %release.applet(), "a bundle cannot be unpacked");
            Fault::new(FaultCode::Internal, "the host cannot unpack the package for its process")
        })?;
        let running = Arc::new(self.make(release, key.clone(), runtime, &bundle, limits));
        let mut all = locked(&self.running);
        if let Some(other) = all.get(&key)
            && other.limits == running.limits
        {
            return Ok(other.clone());
        }
        all.retain(|_, other| !other.is_forgotten());
        let mut earlier: Vec<_> = all
            .iter()
            .filter(|(other, _)| other.tenant == key.tenant && other.applet == key.applet)
            .map(|(_, other)| other.clone())
            .collect();
        // One with other limits is not found any more.
        earlier.extend(all.insert(key, running.clone()));
        drop(all);
        for earlier in earlier {
            tokio::spawn(retire(Arc::downgrade(&self.running), earlier));
        }
        Ok(running)
    }

    fn make(&self, release: &Release, key: Key, runtime: Runtime, bundle: &Path, limits: ProcessLimits) -> Running {
        let package = release.package();
        let version = package.descriptor.version.to_string();
        let secrets = Arc::<InUse>::default();
        let mut supervision = self.config.supervision.clone();
        if let Some(check) = &package.descriptor.runtime.health_check {
            supervision.health_interval_ms = check.interval_ms;
            supervision.health_ms_max = check.timeout_ms;
        }
        let logs = ProcessLogs::new(release, &version, self.log.clone(), self.source.clone(), secrets.clone());
        let program = Program::Bundle {
            runtime: runtime.clone(),
            bundle: bundle.to_owned(),
            arguments: Vec::new(),
            is_server: package.descriptor.runtime.is_server,
        };
        let spec = Spec {
            jail: self.jail(package, bundle),
            limits: limits.clone(),
            supervision,
            logs: Arc::new(logs),
            ..Spec::new(format!("{}/{}", key.tenant, key.applet), program, place::sockets(&self.config.directory))
        };
        Running {
            key,
            version,
            runtime,
            limits,
            supervisor: Supervisor::new(spec),
            positions: Arc::new(Positions::new(BUNDLE, &package.source_map)),
            secrets,
            used: Mutex::new(Instant::now()),
        }
    }

    /// The jail of one package's processes.
    fn jail(&self, package: &Package, bundle: &Path) -> Option<Jail> {
        let mut jail = self.config.jail.clone()?;
        // What the bundle imports lies beside it.
        jail.policy.package.extend(bundle.parent().map(Path::to_owned));
        if let Some(percent) = package.descriptor.runtime.limits.max_cpu_percent {
            jail.cpu_thousandths_max = Some(u64::from(percent) * 10);
        }
        Some(jail)
    }

    /// Has a process of a release ready, as at its installation.
    pub(crate) async fn prepare(&self, release: &Release, kind: RuntimeKind) -> Result<(), Fault> {
        let running = self.running(release, kind).await?;
        let deadline =
            Instant::now() + Duration::from_millis(self.config.supervision.ready_ms_max.saturating_add(1_000));
        let ready = running.supervisor.ready(deadline.into()).await;
        ready.map_err(|error| {
            // The next try is not held up by what this one left.
            let mut all = locked(&self.running);
            if all.get(&running.key).is_some_and(|found| Arc::ptr_eq(found, &running)) {
                all.remove(&running.key);
            }
            Fault::new(
                FaultCode::Preparation,
                running.secrets.redact(format!("the applet's process does not start: {error}")),
            )
        })
    }

    /// How all of them are, by tenant and applet.
    pub(crate) fn status(&self) -> Vec<ProcessStatus> {
        let mut all: Vec<_> = locked(&self.running).values().map(|running| running.status()).collect();
        all.sort_by(|a, b| {
            (&a.tenant, &a.applet, a.digest.as_bytes()).cmp(&(&b.tenant, &b.applet, b.digest.as_bytes()))
        });
        all
    }

    /// Ends the processes of an applet and forgets its failures; whether there were any.
    pub(crate) fn reset(&self, tenant: &TenantId, applet: &AppletId) -> bool {
        let of_applet = |running: &&Arc<Running>| running.key.tenant == *tenant && running.key.applet == *applet;
        let found: Vec<_> = locked(&self.running).values().filter(of_applet).cloned().collect();
        for running in &found {
            running.supervisor.reset();
        }
        !found.is_empty()
    }

    /// Ends all processes, when the calls in them are done or their time to drain is over.
    pub(crate) async fn shutdown(&self) {
        let all: Vec<_> = locked(&self.running).drain().map(|(_, running)| running).collect();
        futures_util::future::join_all(all.iter().map(|running| running.supervisor.shutdown())).await;
    }
}

impl Running {
    fn touch(&self) {
        *locked(&self.used) = Instant::now();
    }

    fn unused_for(&self) -> Duration {
        locked(&self.used).elapsed()
    }

    fn is_forgotten(&self) -> bool {
        let status = self.supervisor.status();
        status.calls == 0 && status.state == belljar_process::State::Stopped && self.unused_for() > FORGOTTEN_AFTER
    }

    fn status(&self) -> ProcessStatus {
        let Key { tenant, applet, digest } = self.key.clone();
        let engine = match self.runtime.kind {
            RuntimeKind::Bun => Engine::Bun,
            RuntimeKind::Node => Engine::Node,
            RuntimeKind::Deno => Engine::Deno,
        };
        let program = format!("{} {}", self.runtime.program.display(), self.runtime.version);
        ProcessStatus {
            tenant,
            applet,
            version: self.version.clone(),
            digest,
            engine,
            program,
            memory_bytes_max: self.limits.memory_bytes_max,
            status: self.supervisor.status(),
        }
    }
}

/// Ends the process of an earlier release once nobody calls it any more. One that is called again (a rollback) stays.
async fn retire(all: std::sync::Weak<Mutex<HashMap<Key, Arc<Running>>>>, earlier: Arc<Running>) {
    while earlier.supervisor.status().calls > 0 || earlier.unused_for() < RETIRED_IDLE {
        tokio::time::sleep(RETIRED_IDLE / 5).await;
    }
    let Some(all) = all.upgrade() else { return };
    {
        let mut all = locked(&all);
        if all.get(&earlier.key).is_some_and(|found| Arc::ptr_eq(found, &earlier)) {
            all.remove(&earlier.key);
        }
    }
    earlier.supervisor.shutdown().await;
}

/// The limits of a release's process.
fn limits(release: &Release) -> ProcessLimits {
    let limits: &Limits = release.limits();
    let asked = &release.package().descriptor.runtime.limits;
    let mut process = ProcessLimits {
        concurrency_max: asked.max_concurrent.unwrap_or(CONCURRENCY_DEFAULT),
        response_bytes_max: limits.response_bytes_max,
        wait_until_ms: limits.wait_until_ms,
        // The broker counts operations; what is left over is lines of the log.
        capability_calls_max: limits.operations_max.saturating_mul(2),
        capability_bytes_max: limits.host_bytes_max,
        memory_bytes_max: Bound::At(limits.process_memory_bytes_max),
        ..ProcessLimits::default()
    };
    if let Some(percent) = asked.max_cpu_percent {
        process.cpu_ms_max = Bound::At(process.cpu_window_ms.saturating_mul(percent.into()) / 100);
    }
    process
}
