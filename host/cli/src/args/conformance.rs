//! `belljar conformance`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Suites that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SuiteName {
    /// ECMAScript: a checkout of tc39/test262.
    Test262,
    /// The web platform, as far as it needs no server: a checkout of web-platform-tests/wpt.
    Wpt,
    /// Cryptography: a checkout of C2SP/wycheproof.
    Wycheproof,
}

/// `belljar conformance`
#[derive(Debug, Args)]
pub(crate) struct ConformanceArgs {
    /// The suite
    #[arg(value_name = "SUITE")]
    pub(crate) suite: SuiteName,
    /// Its checkout, which is only read
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Run only tests whose path in the checkout has this text (may be given several times: any of them)
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Vec<String>,
    /// Hold failures against this file: exit code 1 only for those that are not in it
    #[arg(long, value_name = "FILE")]
    pub(crate) expectations: Option<PathBuf>,
    /// Write the file of --expectations anew, with what fails now; reasons in it are kept
    #[arg(long, requires = "expectations", conflicts_with = "filter")]
    pub(crate) write_expectations: bool,
    /// Programs at the same time; by default one for each processor, four for wpt
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) threads: Option<u16>,
    /// Print the whole report as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Most fuel of one program (300,000,000,000 by default)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Limits")]
    pub(crate) fuel_max: Option<u64>,
    /// Most memory of its sandbox, MiB (1 to 512; 384 by default)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=512), help_heading = "Limits")]
    pub(crate) memory_mb: Option<u64>,
    /// Its wall clock, milliseconds (by default 180,000, wpt 30,000 or what the test asks for, wycheproof 300,000)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400_000), help_heading = "Limits")]
    pub(crate) deadline_ms: Option<u64>,
}
