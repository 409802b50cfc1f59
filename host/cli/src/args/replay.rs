//! `belljar replay` and `belljar recordings`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::operator::ServerArgs;

/// `belljar replay`
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Recordings, or folders of them
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The package that was recorded, as a file or a folder, for recordings that do not have it with them
    #[arg(long, value_name = "PATH", conflicts_with = "against")]
    pub(crate) package: Option<PathBuf>,
    /// Have this package do what was recorded, and tell what it does otherwise
    ///
    /// A package file, or an applet's folder (which is then built in memory). Calls are matched by what they ask, not by their order; a call that
    /// was not recorded fails. It may be a component where an applet in JavaScript was recorded, and the other way round.
    #[arg(long, value_name = "PATH")]
    pub(crate) against: Option<PathBuf>,
    /// Stop when so much fuel is burnt, and show the JavaScript stack (of a component, its WebAssembly stack)
    #[arg(long, value_name = "N", conflicts_with = "against")]
    pub(crate) until_fuel: Option<u64>,
    /// The calls that were recorded, instead of a replay
    #[arg(long, conflicts_with_all = ["against", "until_fuel", "package", "json"])]
    pub(crate) show: bool,
    /// What was recorded, as JSON for tests, instead of a replay: payload, requests with their responses, answer
    ///
    /// For `mock.recorded` of @belljar/sdk/test (docs/testing.md). Of one recording.
    #[arg(long, conflicts_with_all = ["against", "until_fuel", "package", "json", "show"])]
    pub(crate) fixture: bool,
    /// The key of recordings that are encrypted
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// `belljar recordings`
#[derive(Debug, Subcommand)]
pub(crate) enum RecordingsCommand {
    /// List recorded invocations, the newest first
    List {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Get a recording, with its package, so that `belljar replay` needs nothing else
    Get {
        /// The invocation
        #[arg(value_name = "ID")]
        id: String,
        /// Where it is written
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        #[command(flatten)]
        server: ServerArgs,
    },
}
