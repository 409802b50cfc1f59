//! The host of one command: cache folder, limits, clock and test hosts as the command line says, and a runtime on this thread only.

use std::future::Future;
use std::path::PathBuf;

use anyhow::Context as _;
use belljar::process_engine::{Jail, Require};
/// Where machine code and images are cached; `None` when there is no home.
pub(crate) use belljar::user_cache_dir as cache_dir;
use belljar::{Host, HostBuilder, HttpConfig, Limits, ProcessConfig, TenantId};

use crate::args::{LimitArgs, RepeatArgs};
use crate::failure::Failure;
use crate::{table, terminal};

/// A command runs one instance; few slots cost little to reserve.
const INSTANCES_MAX: u32 = 2;
/// 2026-01-01T00:00:00Z, where time begins with `--seed`.
const SEEDED_NOW_US: u64 = 1_767_225_600_000_000;

/// How applets with the engines `bun`, `node` and `deno` run here: runtimes of `cargo xtask setup --runtimes`, then those of `PATH`.
/// `directory` is where processes have their files. `None` on an operating system without them.
pub(crate) fn processes(directory: PathBuf) -> Option<ProcessConfig> {
    if belljar::process_engine::UNSUPPORTED.is_some() {
        return None;
    }
    let mut config = ProcessConfig::new(directory);
    config.packages = runtime_packages();
    config.jail = jail();
    Some(config)
}

/// What this machine has of the jail of processes, made by this command.
pub(crate) fn jail() -> Option<Jail> {
    let program = std::env::current_exe().ok()?;
    Some(Jail::new(vec![program.into(), crate::JAIL.into()], Require::BestEffort))
}

/// Folders in which runtimes may have been installed as npm packages: those of `BELLJAR_RUNTIME_PACKAGES` (with commas between
/// them, as the setting of that name has them), else the cache's.
pub(crate) fn runtime_packages() -> Vec<PathBuf> {
    if let Ok(set) = std::env::var("BELLJAR_RUNTIME_PACKAGES") {
        return set.split(',').map(str::trim).filter(|path| !path.is_empty()).map(PathBuf::from).collect();
    }
    let folder = cache_dir().and_then(|dir| dir.parent().map(|base| base.join("runtimes")));
    folder.into_iter().flat_map(|folder| ["bun", "node", "deno"].map(|name| folder.join(name))).collect()
}

/// A host that is to be completed. Long work is told on stderr.
pub(crate) fn builder(limits: Limits, test_hosts: &[String]) -> HostBuilder {
    let mut builder = Host::builder()
        .limits(limits)
        .instances_max(INSTANCES_MAX)
        .http(HttpConfig { test_hosts: test_hosts.to_vec(), ..HttpConfig::default() })
        .progress(|what| terminal::stderr(&format!("belljar: {what}\n")));
    if let Some(dir) = cache_dir() {
        if let Some(processes) = processes(dir.join("process")) {
            builder = builder.processes(processes);
        }
        builder = builder.cache_dir(dir);
    }
    builder
}

/// A host whose runs repeat, if that is asked for.
///
/// # Errors
/// When the time is none.
pub(crate) fn repeating(builder: HostBuilder, args: &RepeatArgs) -> Result<HostBuilder, Failure> {
    let Some(seed) = args.seed else { return Ok(builder) };
    let now_us = match args.now.as_deref() {
        Some(text) => table::instant(text).ok_or_else(|| {
            Failure::usage(format!("--now {text:?} is no time")).hint("such as 2026-01-31T12:00:00Z, or 2026-01-31")
        })?,
        None => SEEDED_NOW_US,
    };
    Ok(builder.deterministic(now_us, seed))
}

/// `limits` with what the command line says.
pub(crate) fn limits(mut limits: Limits, args: &LimitArgs) -> Limits {
    limits.fuel_max = args.fuel_max.unwrap_or(limits.fuel_max);
    limits.memory_bytes_max = args.memory_mb.map_or(limits.memory_bytes_max, |mb| mb << 20);
    limits.deadline_ms = args.deadline_ms.unwrap_or(limits.deadline_ms);
    limits
}

/// The tenant of the command line.
///
/// # Errors
/// When it is no name.
pub(crate) fn tenant(name: &str) -> Result<TenantId, Failure> {
    TenantId::new(name).map_err(|error| Failure::usage(error.to_string()))
}

/// Waits for `work` on this thread: a pool of threads would cost more to start than an applet takes.
///
/// # Errors
/// When the runtime cannot be made.
pub(crate) fn wait_for<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime cannot be started")?;
    let done = runtime.block_on(work);
    // Whatever still runs ends with the process; waiting for it would delay the answer.
    runtime.shutdown_background();
    Ok(done)
}
