//! `belljar serve`: settings from everywhere, then the server.

use anyhow::Context as _;
use belljar_server::logs::Logs;
use belljar_server::server::{Server, StartError};
use belljar_server::settings::{Layers, Loaded, Settings};

use crate::args::operator::ServeArgs;
use crate::exit_codes;
use crate::failure::{Failure, chain};
use crate::signals::{Signal, Signals};
use crate::{local, terminal};

/// Serves until it is told to stop.
///
/// # Errors
/// When a setting is wrong, or the server cannot start.
pub(crate) fn run(args: &ServeArgs) -> Result<i32, Failure> {
    let loaded = settings(args)?;
    if args.print_config {
        terminal::stdout(loaded.to_toml().as_bytes())?;
        return Ok(exit_codes::OK);
    }
    let mut settings = loaded.settings;
    settings.cache_dir = settings.cache_dir.or_else(local::cache_dir);
    if settings.runtime_packages.is_empty() {
        settings.runtime_packages = local::runtime_packages();
    }
    belljar_server::failpoint::arm_from_environment().map_err(|message| Failure::new("failpoint", message))?;
    let logs = Logs::install(&settings).map_err(|error| Failure::new("log", chain(&error)))?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime cannot be started")?;
    runtime.block_on(serve(&settings, logs))?;
    Ok(exit_codes::OK)
}

/// Until it is told to stop; [`Signal::Reload`] reads the certificate again. A second time to be told ends the process at once.
async fn serve(settings: &Settings, logs: Logs) -> Result<(), Failure> {
    let mut signals = Signals::listen().context("signals cannot be listened to")?;
    let server = Server::start(settings, logs).await?;
    while signals.next().await == Signal::Reload {
        server.reload();
    }
    tokio::select! {
        _ = server.stop() => Ok(()),
        () = signals.stop() => Err(Failure::new("stopped", "told twice to stop: calls were broken off")),
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let hint = match &error {
            StartError::Settings(_) => Some("`belljar serve --help` shows every setting"),
            StartError::Listen { .. } => Some("choose another port, or 0 for any that is free"),
            StartError::Host(_) => Some("`belljar doctor` tells what this machine lacks"),
            _ => None,
        };
        Self { hint: hint.map(Into::into), ..Self::new("serve", chain(&error)) }
    }
}

/// The settings in force.
fn settings(args: &ServeArgs) -> Result<Loaded, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    let layers = Layers { file: args.config.as_deref(), environment: &environment, flags: &args.settings };
    layers.load().map_err(|error| {
        Failure::new("settings", error.to_string())
            .exiting(exit_codes::USAGE)
            .hint("`belljar serve --help` shows every setting, `--print-config` what is in force")
    })
}
