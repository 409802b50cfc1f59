//! `belljar dev`: serves an applet's folder while it is written. Each save is built in memory and installed for the tenant `dev`, through the
//! same catalog, scheduler and front as on a server, with the limits of production. What cannot be built, or fails while it is prepared, is told,
//! and what was served before goes on.

mod directory;
mod lines;
mod recordings;
mod swap;
mod values;
pub(crate) mod watch;

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use belljar::{Databases, DatabasesConfig, Host, HttpConfig, KvStore, Limits, SqliteKv, TenantId};
use belljar_server::catalog::{Catalog, CatalogOptions, SecretsKey};
use belljar_server::data_dir::DataDir;
use belljar_server::directory::Quotas;
use belljar_server::dispatch::{Budgets, Dispatcher};
use belljar_server::front::{Front, FrontConfig};
use belljar_server::schedule::{Scheduler, Settings as ScheduleSettings};
use belljar_server::settings::Settings;
use tokio::net::TcpListener;

use crate::args::operator::DevArgs;
use crate::exit_codes;
use crate::failure::Failure;
use crate::local;
use crate::signals::Signals;
use directory::{Anybody, AtRoot};
use lines::Lines;
use swap::Workbench;
use watch::Watch;

/// The tenant.
const TENANT: &str = "dev";
/// Instances at the same time: a person tries things out.
const INSTANCES_MAX: u32 = 100;
/// Time for requests under way when it ends.
const GRACE: std::time::Duration = std::time::Duration::from_secs(2);

/// Serves a folder until it is interrupted.
///
/// # Errors
/// When it cannot begin: the port is taken, the data directory cannot be used.
pub(crate) fn run(args: &DevArgs) -> Result<i32, Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime cannot be started")?;
    let done = runtime.block_on(serve(args));
    runtime.shutdown_background();
    done
}

async fn serve(args: &DevArgs) -> Result<i32, Failure> {
    let failed = |code: &'static str| move |error: &dyn std::fmt::Display| Failure::new(code, error.to_string());
    let lines = Arc::new(Lines::new(args.json)?);
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        Failure::new("listen", format!("{} cannot be listened on: {error}", args.listen))
            .hint("choose another port with --listen")
    })?;
    let at = listener.local_addr().context("the listener has no address")?;
    let dir = Arc::new(DataDir::open(&args.data_dir).map_err(|error| failed("data")(&error))?);
    // Made at the first start, as a server does.
    let settings = Settings { data_dir: args.data_dir.clone(), record: args.record, ..Settings::default() };
    let secrets_key = SecretsKey::from(*settings.secrets_key().map_err(|error| failed("data")(&error))?);
    let values = args.values.clone().unwrap_or_else(|| args.folder.join(".belljar/dev.toml"));

    let limits = Limits::default();
    let databases =
        Databases::open(dir.path(), DatabasesConfig::default()).context("the folder of databases cannot be opened")?;
    let kv: Arc<dyn KvStore> = Arc::new(SqliteKv::open(dir.path()).context("kv.sqlite cannot be opened")?);
    let processes = local::cache_dir().and_then(|cache| local::processes(cache.join("process")));
    let options = CatalogOptions {
        limits: limits.clone(),
        kv: Some(kv.clone()),
        secrets_key: Some(secrets_key),
        processes: processes.clone(),
        ..CatalogOptions::default()
    };
    let catalog = Catalog::open(dir.clone(), databases.clone(), options).map_err(|error| failed("data")(&error))?;
    let recorder = recordings::recorder(&settings, &dir, catalog.clone(), lines.clone())?;
    let mut builder = Host::builder()
        .recorder(recorder.clone())
        .limits(limits)
        .instances_max(INSTANCES_MAX)
        .http(HttpConfig { test_hosts: args.test_host.clone(), ..HttpConfig::default() })
        .opened_databases(databases)
        .kv(kv)
        .secrets(Arc::new(catalog.clone()))
        .log(lines.clone())
        .progress(|what| crate::terminal::stderr(&format!("belljar: {what}\n")));
    if let Some(cache) = local::cache_dir() {
        builder = builder.cache_dir(cache);
    }
    if let Some(processes) = processes {
        builder = builder.processes(processes);
    }
    // The engine may have to be compiled.
    let host = tokio::task::spawn_blocking(move || builder.build()).await.context("the host cannot be set up")??;
    let tenant = TenantId::new(TENANT).expect("a valid name");
    if catalog.tenant(&tenant).is_err() {
        catalog.create_tenant(&tenant, Quotas::default(), "belljar dev").map_err(|error| failed("data")(&error))?;
    }

    let scheduler = Scheduler::new(ScheduleSettings { places_max: INSTANCES_MAX, ..ScheduleSettings::default() });
    let dispatcher = Dispatcher::new(host.clone(), scheduler, lines.clone(), Arc::new(Budgets::default()), None);
    let directory = Arc::new(AtRoot::new(catalog.clone(), tenant.clone()));
    let config = FrontConfig { has_error_details: true, has_usage_headers: true, ..FrontConfig::default() };
    let anybody = Arc::new(Anybody::new(directory.clone(), args.user.clone()));
    let front = Front::with_authenticator(config, directory.clone(), dispatcher, anybody);
    let serving = tokio::spawn(front.clone().serve(listener, None));

    let stopping = host.clone();
    let workbench = Workbench::new(args.folder.clone(), values, tenant, host, catalog, directory, lines.clone());
    let begun = Instant::now();
    let watch = Watch::start(&args.folder)?;
    let runtime = tokio::runtime::Handle::current();
    lines.serving(at, &args.folder);
    // The bundler has a runtime of its own, which must not be started within ours.
    let work =
        std::thread::Builder::new().name("belljar-dev".to_owned()).spawn(move || workbench.run(begun, watch, &runtime));
    work.context("the thread that builds cannot be started")?;

    // Whichever it is: without its terminal, too, it has nobody to serve.
    Signals::listen().context("signals cannot be received")?.next().await;
    front.stop(GRACE).await;
    stopping.shutdown_processes().await;
    serving.abort();
    // What was recorded last is written and told; a panic on the way was shown when it happened.
    let _ = tokio::task::spawn_blocking(move || recorder.flush()).await;
    lines.flush();
    Ok(exit_codes::OK)
}
