//! `belljar test`: builds the tests, has `belljar-testing` run them, and shows what came of it.

mod human;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use belljar::{Source as _, System};
use belljar_build::{BuiltTests, TestFiles};
use belljar_testing::report::{self, About};
use belljar_testing::{
    Baseline, BaselineError, Bench, DiscoverError, FileCoverage, Found, Report, Selection, Status, Suite, SuiteError,
    discover,
};
use tokio::runtime::Runtime;

use crate::args::testing::{Reporter, TestArgs};
use crate::dev::watch::Watch;
use crate::failure::{Failure, chain};
use crate::sources::Sources;
use crate::{exit_codes, local, present, problems, terminal};
use human::Human;

/// The tracefile, in the applet's folder.
const LCOV_FILE: &str = "coverage/lcov.info";

/// Runs tests; exit code 1 when one fails.
///
/// # Errors
/// When they cannot be found, built or prepared.
pub(crate) fn run(args: &TestArgs) -> Result<i32, Failure> {
    let jobs_max = args.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(jobs_max)
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let run = Run { args, jobs_max, runtime };
    let found = run.find()?;
    let bench = Arc::new(run.bench()?);
    let done = if args.watch { run.watched(found, &bench) } else { run.once(&found, &bench).map(|(code, _)| code) };
    // Whatever still runs ends with the process.
    run.runtime.shutdown_background();
    done
}

struct Run<'a> {
    args: &'a TestArgs,
    jobs_max: usize,
    runtime: Runtime,
}

impl Run<'_> {
    fn find(&self) -> Result<Found, Failure> {
        let current = std::env::current_dir().context("the current folder cannot be told")?;
        discover(&self.args.paths, &current).map_err(|error| match error {
            DiscoverError::None(..) => Failure::new("no-tests", error.to_string())
                .hint("write one into a file such as price.test.ts: docs/testing.md tells how"),
            error => Failure::usage(error.to_string()),
        })
    }

    fn bench(&self) -> Result<Bench, Failure> {
        // One more: the list is an invocation as well.
        let instances_max = u32::try_from(self.jobs_max + 1).unwrap_or(u32::MAX);
        let builder = local::builder(belljar::Limits::default(), &[]).instances_max(instances_max);
        Ok(Bench::new(builder)?)
    }

    /// Runs again whenever something has changed.
    fn watched(&self, found: Found, bench: &Arc<Bench>) -> Result<i32, Failure> {
        let mut watch = Watch::start(&found.folder)?;
        let mut found = found;
        loop {
            match self.once(&found, bench) {
                Ok((_, inputs)) => watch.folders(&inputs),
                Err(failure) => {
                    present::failure(&failure, false);
                    watch.folders(&[]);
                }
            }
            terminal::stderr("belljar: waiting for changes\n");
            if watch.changed().is_none() {
                return Ok(exit_codes::OK);
            }
            // Files may have come or gone; as long as there are none, those before are told of.
            if let Ok(now) = self.find() {
                found = now;
            }
        }
    }

    /// Builds, prepares and runs; answers the exit code, and the files that were read.
    fn once(&self, found: &Found, bench: &Arc<Bench>) -> Result<(i32, Vec<PathBuf>), Failure> {
        let args = self.args;
        let is_human = args.reporter == Reporter::Human;
        let tests = TestFiles { files: found.files.clone(), counts_lines: args.coverage };
        let BuiltTests { package, lines, notices, inputs } = belljar_build::build_tests(&found.folder, &tests)?;
        problems::show(&notices);
        let sources = Sources::of_map(&package.source_map);
        let suite = self.runtime.block_on(Suite::prepare(bench.clone(), package));
        let suite = Arc::new(suite.map_err(|error| unprepared(error, &sources))?);
        for line in suite.log() {
            terminal::stderr(&format!("{}\n", terminal::lines(line)));
        }

        let shuffle = args.shuffle.map(|seed| seed.unwrap_or_else(drawn));
        let selection = Selection { name: args.name.clone(), shuffle };
        let engine = bench.host().engine_digest();
        let baseline = if args.coverage { None } else { Baseline::read(&found.folder).map_err(unreadable)? };
        let human = Human::new(&sources);
        let begun = Instant::now();
        let told = |result: &belljar_testing::TestResult| {
            if is_human && terminal::stdout_is_terminal() {
                terminal::stderr(&human.progress(result));
            }
        };
        let run = suite.run_all(&selection, self.jobs_max, !args.coverage, told);
        let Report { mut results, coverage } = self.runtime.block_on(run);
        let wall_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        if results.is_empty() {
            return Err(Failure::new("no-tests", format!("no test has {:?} in its name", args.name)));
        }

        if args.update_baseline {
            let mut new = baseline.unwrap_or_else(|| Baseline::new(engine));
            let is_whole = args.name.is_empty() && args.paths.is_empty();
            new.update(engine, &results, is_whole);
            new.write(&found.folder).map_err(unreadable)?;
        } else if let Some(baseline) = baseline {
            if baseline.is_of(engine) {
                baseline.hold(&mut results);
            } else {
                terminal::stderr(&format!(
                    "belljar: {} is of another engine and was not used: write it anew with --update-baseline\n",
                    belljar_testing::BASELINE_FILE
                ));
            }
        }
        let files: Option<Vec<FileCoverage>> = args.coverage.then(|| coverage.files(&lines));
        if let Some(files) = &files {
            self.write_lcov(&found.folder, files)?;
        }
        let text = match args.reporter {
            Reporter::Human => human.all(&results, files.as_deref(), shuffle, wall_ms),
            Reporter::Tap => report::tap(&results),
            Reporter::Junit => report::junit(&results),
            Reporter::Json => {
                let about = About { engine: engine.to_hex(), shuffle, wall_ms, coverage: files };
                terminal::json(&report::json(&results, &about))
            }
        };
        terminal::stdout(text.as_bytes())?;
        if let Some(seed) = shuffle.filter(|_| !is_human) {
            terminal::stderr(&format!("belljar: shuffled, seed {seed}\n"));
        }
        let has_failed = results.iter().any(|result| result.status == Status::Failed);
        Ok((if has_failed { exit_codes::FAILED } else { exit_codes::OK }, inputs))
    }

    fn write_lcov(&self, folder: &Path, files: &[FileCoverage]) -> Result<(), Failure> {
        let path = self.args.coverage_file.clone().unwrap_or_else(|| folder.join(LCOV_FILE));
        let write = || {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(&path, report::lcov(files))
        };
        write().map_err(|error| Failure::new("coverage", format!("{} cannot be written: {error}", path.display())))
    }
}

/// A seed that nobody has chosen; short enough to be typed.
fn drawn() -> u64 {
    let mut bytes = [0; 4];
    System.random(&mut bytes);
    u32::from_le_bytes(bytes).into()
}

fn unreadable(error: BaselineError) -> Failure {
    Failure::new("baseline", chain(&error))
}

/// The top-level code failed, or there is no list: shown as a fault of an applet is.
fn unprepared(error: SuiteError, sources: &Sources) -> Failure {
    match error {
        SuiteError::Fault(fault) => {
            let fault = present::bounded(*fault);
            terminal::stderr(&present::fault(&fault, sources, terminal::stderr_paint()));
            Failure::new("preparation", "the tests cannot be listed: their top-level code, or the applet's, failed")
        }
        SuiteError::Package(error) => error.into(),
        other => Failure::new("tests", chain(&other)),
    }
}
