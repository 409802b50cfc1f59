//! `belljar conformance`: has `belljar-conformance` run a checkout, and shows what came of it.

use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use belljar::Limits;
use belljar_conformance::{
    Bounds, Checkout, Comparison, Counts, Error, Expectations, Expected, Failing, Kind, Options, Progress, Report,
    Suite,
};
use serde::Serialize;

use crate::args::conformance::{ConformanceArgs, SuiteName};
use crate::failure::{Failure, chain};
use crate::present::grouped;
use crate::table::Table;
use crate::terminal::{self, one_line};
use crate::{exit_codes, local};

/// Failures that are shown; --json has all of them.
const SHOWN_MAX: usize = 50;
/// Between two words on how far it is: on a terminal, and in a log.
const TOLD_EVERY: Duration = Duration::from_millis(200);
const LOGGED_EVERY: Duration = Duration::from_secs(20);

/// Runs a suite; exit code 1 when something fails that is not expected to.
///
/// # Errors
/// When there is nothing to run, or the run cannot be made.
pub(crate) fn run(args: &ConformanceArgs) -> Result<i32, Failure> {
    let suite = match args.suite {
        SuiteName::Test262 => Suite::Test262,
        SuiteName::Wpt => Suite::Wpt,
        SuiteName::Wycheproof => Suite::Wycheproof,
    };
    let checkout = Checkout::open(suite, &args.folder)?;
    let before = match &args.expectations {
        // What is written for the first time has nothing before it.
        Some(path) if args.write_expectations && !path.exists() => None,
        Some(path) => Some(Expectations::read(path, suite)?),
        None => None,
    };
    let options = options(args);
    let watch = Watch::start(checkout.suite());
    let report = belljar_conformance::run(&checkout, local::builder(Limits::default(), &[]), &options, &|progress| {
        watch.told(progress)
    });
    watch.finish();
    let report = report?;
    let compared = before.as_ref().map(|before| before.compare(&report, |test| options.takes(test)));
    if args.json {
        let whole = Whole { report: &report, total: report.total(), comparison: compared.as_ref() };
        // Serialising our own plain data cannot fail.
        let text = serde_json::to_string(&whole).unwrap_or_default();
        terminal::stdout(format!("{}\n", terminal::json(&text)).as_bytes())?;
    } else {
        show(&report, compared.as_ref())?;
    }
    if let (Some(path), true) = (&args.expectations, args.write_expectations) {
        let expectations = Expectations::of(&report, before.as_ref());
        expectations.write(path)?;
        terminal::stderr(&format!(
            "belljar: wrote {} expected failures into {}\n",
            expectations.failing.len(),
            path.display()
        ));
        return Ok(exit_codes::OK);
    }
    let is_bad = compared.map_or(!report.failing.is_empty(), |compared| !compared.regressions.is_empty());
    Ok(if is_bad { exit_codes::FAILED } else { exit_codes::OK })
}

fn options(args: &ConformanceArgs) -> Options {
    let bounds = Bounds::default();
    Options {
        filters: args.filter.clone(),
        threads: args.threads.map(usize::from),
        bounds: Bounds {
            fuel_max: args.fuel_max.unwrap_or(bounds.fuel_max),
            memory_bytes_max: args.memory_mb.map_or(bounds.memory_bytes_max, |mb| mb << 20),
            deadline_ms: args.deadline_ms,
        },
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let hint = error.hint().map(str::to_owned);
        let failure = match error {
            Error::Host(error) => return error.into(),
            Error::NoCheckout { .. } => Self::new("no-checkout", error.to_string()).exiting(exit_codes::USAGE),
            Error::NothingChosen { .. } => Self::new("no-tests", error.to_string()).exiting(exit_codes::USAGE),
            Error::Expectations { .. } => Self::new("expectations", error.to_string()).exiting(exit_codes::USAGE),
            error => Self::new("failed", chain(&error)).exiting(exit_codes::USAGE),
        };
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    report: &'a Report,
    total: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<&'a Comparison>,
}

fn show(report: &Report, compared: Option<&Comparison>) -> Result<(), Failure> {
    let mut table = Table::new(&["area", ">passed", ">failed", ">skipped", ">of those run"]);
    let mut row = |name: &str, counts: Counts| {
        let cells = [counts.passed, counts.failed, counts.skipped].map(|count| grouped(count as u64));
        table.row([name.to_owned()].into_iter().chain(cells).chain([percent(counts)]));
    };
    report.areas.iter().for_each(|(name, counts)| row(name, *counts));
    row("all", report.total());
    table.print("nothing was run")?;
    let (crashes, limits) = (report.of_kind(Kind::Crash), report.of_kind(Kind::Limit));
    let mut text = format!(
        "\n{}, checkout {}, engine {}: {crashes} crashes, {limits} ended by a limit\n",
        report.suite, report.checkout, report.engine
    );
    match compared {
        Some(compared) => {
            text += &list("fail, and are not expected to", &compared.regressions);
            text += &fixed(&compared.fixed);
            text += &format!("{} fail as expected, {} are new\n", compared.as_expected, compared.regressions.len());
        }
        None => text += &list("fail", &report.failing),
    }
    terminal::stdout(text.as_bytes())
}

/// What passed of what was run, rounded down: only all of it is 100 %.
fn percent(counts: Counts) -> String {
    if counts.run() == 0 {
        return "none".into();
    }
    let hundredths = counts.passed as u128 * 10_000 / counts.run() as u128;
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

fn list(what: &str, failing: &[Failing]) -> String {
    if failing.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{} {what}:\n", grouped(failing.len() as u64));
    for one in failing.iter().take(SHOWN_MAX) {
        text += &format!("  {}  {}\n", named(&one.test, &one.subtest), one_line(&one.what));
    }
    if failing.len() > SHOWN_MAX {
        text += &format!("  … and {} more: --json has all of them\n", grouped((failing.len() - SHOWN_MAX) as u64));
    }
    text
}

fn fixed(fixed: &[Expected]) -> String {
    if fixed.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n{} were expected to fail, and do not (--write-expectations takes them off):\n",
        grouped(fixed.len() as u64)
    );
    for one in fixed.iter().take(SHOWN_MAX) {
        text += &format!("  {}\n", named(&one.test, &one.subtest));
    }
    text
}

fn named(test: &str, subtest: &str) -> String {
    if subtest.is_empty() { one_line(test) } else { format!("{} :: {}", one_line(test), one_line(subtest)) }
}

/// Says how far it is: on a terminal in one line, in a log every now and then.
struct Watch {
    suite: Suite,
    is_terminal: bool,
    told: Mutex<Instant>,
}

impl Watch {
    fn start(suite: Suite) -> Self {
        Self { suite, is_terminal: io::stderr().is_terminal(), told: Mutex::new(Instant::now()) }
    }

    fn told(&self, progress: Progress) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() < if self.is_terminal { TOLD_EVERY } else { LOGGED_EVERY } {
            return;
        }
        *told = Instant::now();
        let Progress { done, of, failed } = progress;
        let text = format!("belljar: {}: {done} of {of}, {failed} failed", self.suite);
        terminal::stderr(&if self.is_terminal { format!("\r\u{1b}[K{text}") } else { format!("{text}\n") });
    }

    fn finish(&self) {
        if self.is_terminal {
            terminal::stderr("\r\u{1b}[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_of_it_is_all_of_it() {
        let percent = |passed, failed| percent(Counts { passed, failed, skipped: 7 });
        assert_eq!(
            (percent(9_999_999, 1), percent(5, 0), percent(0, 0)),
            ("99.99 %".into(), "100.00 %".into(), "none".into())
        );
    }

    #[test]
    fn names_of_tests_do_not_disturb_a_terminal() {
        assert_eq!(named("a/b.js", "x\n\u{1b}[2J"), "a/b.js :: x\\n\\u001b[2J");
        let failing = |n: usize| -> Vec<Failing> {
            let one = Failing { test: "a".into(), subtest: String::new(), kind: Kind::Failed, what: "no".into() };
            vec![one; n]
        };
        assert!(list("fail", &failing(SHOWN_MAX)).ends_with("  a  no\n"));
        assert!(list("fail", &failing(SHOWN_MAX + 1)).contains("1 more"));
        assert_eq!(list("fail", &[]), "");
    }
}
