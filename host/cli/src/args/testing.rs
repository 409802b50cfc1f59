//! `belljar test`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reporter {
    /// For people.
    Human,
    /// The Test Anything Protocol, version 14.
    Tap,
    /// JUnit's XML.
    Junit,
    /// One JSON object.
    Json,
}

/// `belljar test`
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Folders and test files of one applet; any other text chooses the files whose names have it
    ///
    /// By default all test files (`*.test.ts`, and the same with tsx, mts, js, jsx, mjs) of the applet that the current folder belongs to.
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Run only tests whose names, suites included, have this text
    #[arg(short = 't', long = "name", value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) name: String,
    /// Run again whenever a file changes, until it is interrupted
    #[arg(short, long, conflicts_with_all = ["update_baseline", "coverage"])]
    pub(crate) watch: bool,
    /// Run in an order that follows from a seed; without one it is drawn, and told
    #[arg(long, value_name = "SEED", num_args = 0..=1, require_equals = true)]
    pub(crate) shuffle: Option<Option<u64>>,
    /// Tests at the same time; by default one for each processor
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// How results are written to standard output
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) reporter: Reporter,
    /// Count which lines are executed: a table, and a tracefile of LCOV
    ///
    /// Budgets and the baseline do not count then, because counting takes fuel.
    #[arg(long, conflicts_with = "update_baseline")]
    pub(crate) coverage: bool,
    /// Where the tracefile is written
    ///
    /// By default `coverage/lcov.info` in the applet's folder.
    #[arg(long, value_name = "FILE", requires = "coverage")]
    pub(crate) coverage_file: Option<PathBuf>,
    /// Write the fuel of the tests that have passed into belljar.fuel.json
    ///
    /// The file is committed. From then on a test fails that takes more than 10 % more than it did, with the same engine.
    #[arg(long)]
    pub(crate) update_baseline: bool,
}
