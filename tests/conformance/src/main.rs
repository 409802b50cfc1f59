//! Compares suites in the sandbox with other engines, and writes `docs/compat.md`. What a suite is, and how the sandbox runs it, is in the
//! crate `belljar-conformance`, as the command `belljar conformance` has it; here are native QuickJS and Node, and what is no checkout: the
//! WinterTC probe and npm packages.
//!
//! ```text
//! belljar-compat SUITE... [--test262 DIR] [--wpt DIR] [--sample N] [--only TEXT] [--list FILE]
//! ```
//!
//! `SUITE` is `test262`, `wpt`, `wintertc`, `npm`, `own` (a few dozen tests of this repository, for CI) or `all` (all but `own`).
//! What a suite found is kept in the cache folder; `docs/compat.md` is written from all that is there. With `--sample` or `--only`
//! nothing is kept or written. The exit code is 1 when something failed that is not listed as an expected failure, or when
//! something passed that is. `belljar-compat native` is the child process that runs programs in native QuickJS.

mod cases;
mod compat;
mod native;
mod node;
mod npm;
mod options;
mod progress;
mod results;
mod sandbox;
mod test262;
mod wintertc;
mod wpt;

use std::process::ExitCode;

use anyhow::Result;

use crate::options::{Options, Suite};
use crate::results::Verdict;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "native") {
        return finish(native::serve().map(|()| Verdict::Good));
    }
    finish(Options::parse(&args).and_then(|options| run(&options)))
}

fn run(options: &Options) -> Result<Verdict> {
    let mut verdict = Verdict::Good;
    for suite in &options.suites {
        verdict = verdict.and(match suite {
            Suite::Test262 => test262::run(options)?,
            Suite::Wpt => wpt::run(options)?,
            Suite::Wintertc => wintertc::run(options)?,
            Suite::Npm => npm::run(options)?,
            Suite::Own => test262::run_own(options)?.and(wintertc::run(options)?),
        });
    }
    if options.is_whole() && options.suites != [Suite::Own] {
        compat::write(options)?;
    }
    Ok(verdict)
}

fn finish(result: Result<Verdict>) -> ExitCode {
    match result {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: error: {error:#}");
            ExitCode::from(2)
        }
    }
}
