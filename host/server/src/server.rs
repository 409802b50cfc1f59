//! A server, from its settings to its end: everything is opened in one order, and stopped in the other. It owns no request.
//!
//! ```text
//! data directory ─ history ─ traces ─ log        what is told
//!        └─ databases, keys and values, catalog  what is kept
//!               └─ host ─ scheduler ─ dispatcher what runs
//!                             ├─ triggers        events, schedules, jobs, with the queue
//!                             ├─ front           applets' callers
//!                             └─ admin           operators
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use belljar::package::LifecycleEvent;
use belljar::process_engine::{self, CodeCache, ControlGroups, Layer, LayerReport};
use belljar::{
    Databases, DatabasesConfig, Host, HostError, KvStore, ProcessConfig, Recorder, RecordingFolder,
    RecordingFolderError, Release, SqliteKv,
};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::admin::{Admin, AdminParts};
use crate::catalog::{Catalog, CatalogError, CatalogOptions, Preparer, SecretsKey};
use crate::data_dir::{DataDir, DataDirError};
use crate::directory::{Active, Directory as _};
use crate::dispatch::{Budgets, DayUse, DirectoryMeter, Dispatcher, QuotaLog};
use crate::front::{Front, FrontConfig, Tls, TlsError};
use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::observing::{Observing, ObservingError};
use crate::queue::clock::SystemClock;
use crate::queue::{Queue, QueueConfig, QueueError};
use crate::schedule::{self, Scheduler};
use crate::settings::{RequireJail, SecretFileError, Settings, SettingsError};
use crate::triggers::lifecycle::call_hooks;
use crate::triggers::{self, Triggers};

/// The queue of events, schedules and jobs, in the data directory.
const QUEUE_FILE: &str = "queue.sqlite";
/// Recordings, there too.
const RECORDINGS_FOLDER: &str = "recordings";
/// How often what is old is looked for and deleted.
const COLLECT_EVERY: Duration = Duration::from_secs(3_600);
/// From the start to the first time.
const COLLECT_FIRST: Duration = Duration::from_secs(60);

/// The server cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The token or the key of the secrets cannot be used.
    #[error(transparent)]
    SecretFile(#[from] SecretFileError),
    /// History, figures or traces cannot be set up.
    #[error(transparent)]
    Observing(#[from] ObservingError),
    /// The catalog cannot be used.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The host cannot be set up.
    #[error(transparent)]
    Host(#[from] HostError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address cannot be listened on.
    #[error("{setting} {address} cannot be listened on: {source}; is another server there?")]
    Listen {
        /// The setting.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The queue cannot be used.
    #[error("{QUEUE_FILE}: {0}")]
    Queue(#[from] QueueError),
    /// Recordings cannot be kept.
    #[error(transparent)]
    Recordings(#[from] RecordingFolderError),
    /// The jail of processes is required, and is not whole on this machine.
    #[error("require_jail is strict, and this machine lacks {0}")]
    Jail(String),
    /// The process ends.
    #[error("the host could not be set up: the process ends")]
    Ended,
    /// A part of the data directory cannot be opened.
    #[error("{what} cannot be opened: {source}")]
    Open {
        /// Which part.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

/// A server that takes requests.
pub struct Server {
    host: Host,
    front: Arc<Front>,
    triggers: Arc<Triggers>,
    tls: Option<Arc<Tls>>,
    http_address: SocketAddr,
    admin_address: SocketAddr,
    observing: Observing,
    recorder: Recorder,
    grace: Duration,
    is_ready: Arc<AtomicBool>,
    stopping: CancellationToken,
    tasks: tokio_util::task::TaskTracker,
    _dir: Arc<DataDir>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("http", &self.http_address)
            .field("admin", &self.admin_address)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Opens everything and takes requests. `logs` is the process's log.
    ///
    /// # Errors
    /// [`StartError`]; nothing was changed in the data directory then, but that it may have been made.
    pub async fn start(settings: &Settings, logs: Logs) -> Result<Self, StartError> {
        let dir = Arc::new(DataDir::open(&settings.data_dir)?);
        let token = settings.admin_token()?;
        let secrets_key = SecretsKey::from(*settings.secrets_key()?);
        let tls = match (&settings.tls_cert_file, &settings.tls_key_file) {
            (Some(certificate), Some(key)) => Some(Arc::new(Tls::open(certificate, key)?)),
            _ => None,
        };
        let http = listen("listen", settings.listen).await?;
        let admin_listener = listen("admin_listen", settings.admin_listen).await?;

        let outgoing = settings.outgoing()?;
        let observing = Observing::start(settings, &outgoing.extra_roots_pem, &logs)?;
        let limits = settings.limits();
        let open = |what| move |source| StartError::Open { what, source };
        let databases =
            Databases::open(dir.path(), DatabasesConfig::default()).map_err(open("the folder of databases"))?;
        let kv: Arc<dyn KvStore> = Arc::new(SqliteKv::open(dir.path()).map_err(open("kv.sqlite"))?);
        let processes = match settings.processes() {
            Some(config) => Some(jailed(config, settings).await?),
            None => {
                if let Some(why) = process_engine::UNSUPPORTED.filter(|_| settings.process_engines) {
                    tracing::warn!("{why}");
                }
                None
            }
        };
        let options = CatalogOptions {
            processes: processes.clone(),
            limits: limits.clone(),
            kv: Some(kv.clone()),
            secrets_key: Some(secrets_key),
            releases_kept: settings.releases_kept,
            retention_days: settings.retention_days,
            packages_bytes_max: settings.packages_bytes_max,
            ..CatalogOptions::default()
        };
        let catalog = Catalog::open(dir.clone(), databases.clone(), options)?;

        let queue = open_queue(dir.path().join(QUEUE_FILE), settings.queue()).await?;
        let prepared = triggers::Prepared::new(queue, Arc::new(catalog.clone()), Arc::new(catalog.clone())).await?;

        let budgets = Arc::new(Budgets::default());
        for day in observing.history.used_today().unwrap_or_default() {
            let used = DayUse { egress_bytes: day.egress_bytes, log_bytes: day.log_bytes, log_lines_dropped: 0 };
            budgets.restore(&day.tenant, used);
        }
        let recordings_key = settings.recordings_key()?;
        let recordings = RecordingFolder::open(dir.path().join(RECORDINGS_FOLDER), settings.recordings_bytes_max)?;
        let recordings = Arc::new(recordings.key(recordings_key.clone()));
        let recorder =
            Recorder::new(recordings.clone()).policy(settings.record).bytes_max(settings.recording_bytes_max);
        let mut builder = Host::builder()
            .recorder(recorder.clone())
            .limits(limits)
            .instances_max(settings.instances_max)
            .images_max(settings.images_max as usize)
            .http(outgoing)
            .opened_databases(databases)
            .kv(kv.clone())
            .secrets(Arc::new(catalog.clone()))
            .events(prepared.publisher().clone())
            .jobs(prepared.publisher().clone())
            .observer(observing.observer())
            .log(Arc::new(QuotaLog::new(budgets.clone(), observing.log())))
            .progress(|text| tracing::info!("{text}"));
        if let Some(cache) = &settings.cache_dir {
            builder = builder.cache_dir(cache);
        }
        if let Some(processes) = processes {
            builder = builder.processes(processes);
        }
        // The engine may have to be compiled.
        let host = tokio::task::spawn_blocking(move || builder.build()).await.map_err(|_| StartError::Ended)??;
        let scheduler = Scheduler::new(schedule_settings(settings));
        let meter = Arc::new(DirectoryMeter::new(vec![dir.path().join("db")]).with_kv(kv));
        let dispatcher = Dispatcher::new(host.clone(), scheduler, observing.recorder(), budgets, Some(meter));
        let front = Front::new(front_config(settings), Arc::new(catalog.clone()), dispatcher.clone());
        let triggers = Arc::new(prepared.start(dispatcher.clone(), settings.worker()));
        gauges(&observing.metrics, &front, &dispatcher, &triggers);
        let of_processes = host.clone();
        observing.metrics.gauge("processes", "Processes of applets that answer", move || {
            of_processes.process_status().iter().map(|one| one.status.processes.len()).sum::<usize>() as f64
        });

        let is_ready = Arc::new(AtomicBool::new(true));
        let admin = Admin::new(AdminParts {
            catalog: catalog.clone(),
            preparer: Arc::new(Preparing {
                host: host.clone(),
                dispatcher: dispatcher.clone(),
                handle: Handle::current(),
            }),
            dispatcher,
            triggers: triggers.clone(),
            history: observing.history.clone(),
            recordings,
            recordings_key,
            metrics: observing.metrics.clone(),
            token,
            ready: Box::new({
                let is_ready = is_ready.clone();
                move || if is_ready.load(Ordering::SeqCst) { Ok(()) } else { Err("the server is stopping".to_owned()) }
            }),
        });
        let stopping = CancellationToken::new();
        let tasks = tokio_util::task::TaskTracker::new();
        let (http_address, admin_address) = (address(&http), address(&admin_listener));
        tasks.spawn(front.clone().serve(http, tls.clone()));
        tasks.spawn({
            let stopping = stopping.clone();
            async move {
                if let Err(error) = admin.serve(admin_listener, async move { stopping.cancelled().await }).await {
                    tracing::error!(%error, "the admin API has ended");
                }
            }
        });
        tasks.spawn(collecting(catalog.clone(), stopping.clone()));
        if settings.process_keep_alive {
            tasks.spawn(starting(catalog, host.clone(), stopping.clone()));
        }
        if settings.secrets_key_is_in_data_dir() {
            tracing::warn!(
                "the key of the secrets lies in the data directory, beside what it protects: set secrets_key_file"
            );
        }
        tracing::info!(listen = %http_address, admin_listen = %admin_address, tls = tls.is_some(), data_dir = %dir.path().display(), "serving");
        Ok(Self {
            host,
            front,
            triggers,
            tls,
            http_address,
            admin_address,
            observing,
            recorder,
            grace: Duration::from_millis(settings.grace_ms),
            is_ready,
            stopping,
            tasks,
            _dir: dir,
        })
    }

    /// Where applets are served.
    pub fn http_url(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.http_address)
    }

    /// Where the admin API is.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin_address)
    }

    /// Reads certificate and key again.
    pub fn reload(&self) {
        let Some(tls) = &self.tls else { return };
        match tls.reload() {
            Ok(()) => tracing::info!("certificate and key were read again"),
            Err(error) => tracing::error!(%error, "certificate and key stay as they were"),
        }
    }

    /// Takes no more calls, waits for those in flight up to the grace time, ends the rest, and writes down what is to be written. Whether
    /// all calls ended by themselves.
    pub async fn stop(self) -> bool {
        self.is_ready.store(false, Ordering::SeqCst);
        tracing::info!(grace_ms = u64::try_from(self.grace.as_millis()).unwrap_or(u64::MAX), "stopping");
        // Deliveries go on beside requests until both have ended; what is ended here is done again by the next process.
        let (calls, deliveries) = tokio::join!(self.front.stop(self.grace), self.triggers.stop(self.grace));
        let by_themselves = calls && deliveries;
        // Nothing calls them any more.
        self.host.shutdown_processes().await;
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let observing = self.observing.clone();
        let recorder = self.recorder.clone();
        let closed = tokio::task::spawn_blocking(move || {
            recorder.flush();
            observing.close();
        });
        if closed.await.is_err() {
            tracing::error!("the history could not be closed in order");
        }
        tracing::info!(by_themselves, "stopped");
        by_themselves
    }
}

/// Finds out what the jail of processes is like here.
async fn jailed(mut config: ProcessConfig, settings: &Settings) -> Result<ProcessConfig, StartError> {
    // Processes run elsewhere: what is relative is so to where the server was started.
    config.directory = std::path::absolute(&config.directory).unwrap_or(config.directory);
    let Some(jail) = &mut config.jail else {
        tracing::warn!("applets in processes have no jail (require_jail): they can do what this user can");
        return Ok(config);
    };
    if settings.process_control_groups && is_alone() {
        match process_engine::prepare_control_groups() {
            Ok(path) => jail.control_groups = Some(path),
            Err(error) => tracing::info!(%error, "processes get no control groups: watchdogs keep their limits"),
        }
    }
    // Before it is probed: what is said then is what it has to know.
    jail.code_cache = Some(CodeCache::new(config.directory.join("code")));
    let probed = {
        let jail = jail.clone();
        tokio::task::spawn_blocking(move || jail.probe()).await.map_err(|_| StartError::Ended)?
    };
    let is_strict = settings.require_jail == RequireJail::Strict;
    match probed {
        Ok(report) => {
            let wanted = |layer: &&LayerReport| layer.layer != Layer::ControlGroup || jail.control_groups.is_some();
            let missing: Vec<String> =
                report.missing().filter(wanted).map(|layer| format!("{} ({})", layer.layer, layer.note)).collect();
            if is_strict && !missing.is_empty() {
                return Err(StartError::Jail(missing.join(", ")));
            }
            if !missing.is_empty() {
                tracing::warn!(missing = missing.join(", "), "the jail of applets in processes is not whole here");
            }
        }
        Err(error) if is_strict => return Err(StartError::Jail(error.to_string())),
        Err(error) => tracing::warn!(%error, "it is not known what the jail of applets in processes is like here"),
    }
    Ok(config)
}

/// Whether this process is the only one of its control group, as a service is: others would be moved with it.
fn is_alone() -> bool {
    let ControlGroups::Usable { path, .. } = process_engine::control_groups() else { return false };
    std::fs::read_to_string(path.join("cgroup.procs"))
        .is_ok_and(|processes| processes.trim() == std::process::id().to_string())
}

/// Opens the queue, which may have much to put right.
async fn open_queue(file: PathBuf, config: QueueConfig) -> Result<Queue, StartError> {
    let opened =
        tokio::task::spawn_blocking(move || Queue::open(&file, config, Arc::new(SystemClock::default()))).await;
    Ok(opened.map_err(|_| StartError::Ended)??)
}

async fn listen(setting: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { setting, address, source })
}

/// The address that was bound: the port may have been the system's choice.
fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("a listener that is bound has an address")
}

fn schedule_settings(settings: &Settings) -> schedule::Settings {
    let defaults = schedule::Settings::default();
    schedule::Settings {
        slots: settings.slots.unwrap_or(defaults.slots),
        places_max: settings.instances_max,
        queue_max: settings.queue_max,
        queue_bytes_max: settings.queue_bytes_max,
        tenant_queue_max: settings.tenant_queue_max,
        tenant_queue_bytes_max: settings.tenant_queue_bytes_max,
        queue_ms_max: settings.queue_ms_max,
        fuel_per_cpu_second: settings.fuel_per_cpu_second,
        ..defaults
    }
}

fn front_config(settings: &Settings) -> FrontConfig {
    FrontConfig {
        trusted_proxies: settings.trusted_proxies.clone(),
        header_bytes_max: settings.header_bytes_max,
        headers_max: settings.headers_max,
        uri_bytes_max: settings.uri_bytes_max,
        body_bytes_max: settings.body_bytes_max,
        header_ms_max: settings.header_ms_max,
        body_idle_ms_max: settings.body_idle_ms_max,
        write_idle_ms_max: settings.write_idle_ms_max,
        bytes_per_second_min: settings.bytes_per_second_min,
        tls_handshake_ms_max: settings.tls_handshake_ms_max,
        connections_max: settings.connections_max,
        connections_per_address_max: settings.connections_per_address_max,
        http2_streams_max: settings.http2_streams_max,
        response_bytes_held_max: settings.response_bytes_held_max,
        failed_keys_per_minute_max: settings.failed_keys_per_minute_max,
        anonymous_per_minute_max: settings.anonymous_per_minute_max,
        has_usage_headers: settings.usage_headers,
        ..FrontConfig::default()
    }
}

/// Figures that are asked for when metrics are collected.
fn gauges(metrics: &Metrics, front: &Arc<Front>, dispatcher: &Arc<Dispatcher>, triggers: &Arc<Triggers>) {
    let worker = triggers.worker().clone();
    metrics.gauge("deliveries_running", "Deliveries of events, jobs and schedules that run now, in calls", move || {
        worker.running() as f64
    });
    let of_front = |read: fn(&Front) -> f64| {
        let front = front.clone();
        move || read(&front)
    };
    let of_load = |read: fn(schedule::Load) -> f64| {
        let scheduler = dispatcher.scheduler().clone();
        move || read(scheduler.load())
    };
    metrics.gauge("connections", "Connections open now", of_front(|front| front.connections().open.into()));
    metrics.counter("connections_accepted", "Connections taken", of_front(|front| front.connections().accepted as f64));
    metrics.counter(
        "connections_refused",
        "Connections closed at once because there were too many",
        of_front(|front| front.connections().refused as f64),
    );
    metrics.gauge(
        "response_bytes_held",
        "Bytes of responses that clients have not taken",
        of_front(|front| front.response_bytes_held() as f64),
    );
    metrics.gauge("calls_admitted", "Calls under way", of_load(|load| load.admitted.into()));
    metrics.gauge("calls_queued", "Calls that wait to begin", of_load(|load| load.queued.into()));
    metrics.gauge("slots_busy", "Processors that run guests", of_load(|load| load.slots_busy.into()));
    metrics.counter("turns", "Turns that guests have had", of_load(|load| load.turns as f64));
}

/// Deletes what is old, now and then.
async fn collecting(catalog: Catalog, stopping: CancellationToken) {
    let mut wait = COLLECT_FIRST;
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = COLLECT_EVERY;
        let catalog = catalog.clone();
        match tokio::task::spawn_blocking(move || catalog.collect()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "what is old could not be deleted"),
            Err(_) => tracing::error!("what is old could not be deleted: it panicked"),
        }
    }
}

/// Starts the processes of all applets that run in one; what does not start is tried again when it is called.
async fn starting(catalog: Catalog, host: Host, stopping: CancellationToken) {
    let all = tokio::task::spawn_blocking(move || {
        let is_process = |active: &Arc<Active>| active.release.package().descriptor.runtime.engine.is_process();
        let applets = catalog.applets(None).unwrap_or_default();
        let active = applets.into_iter().filter_map(|info| catalog.active(&info.tenant, &info.applet).ok().flatten());
        active.filter(|active| active.is_enabled && active.tenant.is_enabled).filter(is_process).collect::<Vec<_>>()
    });
    for active in all.await.unwrap_or_default() {
        tokio::select! {
            () = stopping.cancelled() => return,
            started = host.prepare(&active.release) => if let Err(fault) = started {
                tracing::warn!(tenant = %active.tenant.id, applet = %active.release.applet(), %fault, "a process could not be started");
            }
        }
    }
}

/// Prepares releases for the catalog, which knows no engine.
struct Preparing {
    host: Host,
    dispatcher: Arc<Dispatcher>,
    handle: Handle,
}

impl Preparer for Preparing {
    fn prepare(&self, release: &Release) -> Result<(), String> {
        self.handle.block_on(self.host.prepare(release)).map(drop).map_err(|fault| fault.to_string())
    }

    fn lifecycle(&self, active: &Active, event: LifecycleEvent) -> Result<(), String> {
        let active = Arc::new(active.clone());
        self.handle.block_on(call_hooks(&self.dispatcher, &active, event, &serde_json::Value::Null))
    }
}
