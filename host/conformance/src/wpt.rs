//! web-platform-tests, as far as they need no server: each `.any.js` file, in each variant, as one program. A case is a subtest; how the
//! program itself ends is one more, without a name, when it does not end well.

mod page;

use std::collections::BTreeMap;

use serde::Deserialize;
use tokio::runtime::Runtime;

pub use self::page::{meta, program};
use crate::checkout::{Checkout, Corpus, files, name_in};
use crate::error::Error;
use crate::listed::Listed;
use crate::program::{self, End, Program, Ran};
use crate::report::{Case, Kind, State};
use crate::run::{Options, Watch};
use crate::sandbox::Sandbox;
use crate::workers;

const SKIP: &str = include_str!("wpt/skip.txt");
/// What is run, and the rows of the table.
pub const FOLDERS: [&str; 16] = [
    "FileAPI",
    "WebCryptoAPI",
    "compression",
    "console",
    "dom/abort",
    "dom/events",
    "encoding",
    "fetch/api",
    "fetch/data-urls",
    "hr-time",
    "html/webappapis",
    "streams",
    "url",
    "urlpattern",
    "webidl",
    "xhr/formdata",
];
/// Wall clock of a test, milliseconds: what testharness.js gives, and more for a busy machine.
const DEADLINE_MS: u64 = 30_000;
/// The same of one that says it is long.
const DEADLINE_LONG_MS: u64 = 120_000;
/// Tests mostly wait for timers: more of them than cores.
const THREADS_PER_CORE: usize = 4;
const NOT_FOR_US: &str = "is for service or shared workers alone";

/// One variant of a file.
#[derive(Debug, Clone)]
pub struct Test {
    /// Path in the checkout.
    pub file: String,
    /// `?…`, or nothing.
    pub variant: String,
    /// Text of the file.
    pub source: String,
    /// Why it is not run.
    pub skipped: Option<String>,
    /// Why it cannot be read.
    pub unreadable: Option<String>,
}

impl Test {
    /// Path and variant.
    pub fn name(&self) -> String {
        format!("{}{}", self.file, self.variant)
    }

    /// Wall clock it may take, milliseconds.
    pub fn deadline_ms(&self) -> u64 {
        if meta(&self.source, "timeout").any(|timeout| timeout == "long") { DEADLINE_LONG_MS } else { DEADLINE_MS }
    }
}

/// Tests of a checkout.
#[derive(Debug)]
pub struct Tests {
    /// In the order of their names.
    pub tests: Vec<Test>,
    /// Names the checkout by content.
    pub corpus: String,
    /// Folders of [`FOLDERS`] that are not in it.
    pub missing: Vec<&'static str>,
}

/// Tests that are not run, with reasons.
///
/// ```
/// assert!(belljar_conformance::wpt::skip_list().matching("a/b.h2.any.js").is_some());
/// ```
pub fn skip_list() -> Listed {
    Listed::parse(SKIP).expect("the list that is built in is sound: a test holds that")
}

/// Reads all tests whose names, with their variants, `takes` takes.
///
/// # Errors
/// When a folder cannot be listed. A file that cannot be read is a test of its own ([`Test::unreadable`]).
pub fn collect(checkout: &Checkout, takes: &dyn Fn(&str) -> bool) -> Result<Tests, Error> {
    let (root, skip) = (&checkout.folder, skip_list());
    let (mut paths, mut missing) = (Vec::new(), Vec::new());
    for folder in FOLDERS {
        if root.join(folder).is_dir() {
            files(&root.join(folder), ".any.js", &mut paths)?;
        } else {
            missing.push(folder);
        }
    }
    paths.sort();
    let mut corpus = Corpus::default();
    let mut tests = Vec::new();
    for path in paths {
        let file = name_in(root, &path);
        let (source, unreadable) = match program::read(&path) {
            Ok(source) => (source, None),
            Err(error) => (String::new(), Some(format!("it cannot be read: {error}"))),
        };
        corpus.add(&file, &source);
        let skipped = skip.matching(&file).or_else(|| (!is_for_us(&source)).then_some(NOT_FOR_US)).map(str::to_owned);
        let mut variants: Vec<_> = meta(&source, "variant").map(str::to_owned).collect();
        if variants.is_empty() || skipped.is_some() {
            variants = vec![String::new()];
        }
        let of_file = variants.into_iter().map(|variant| Test {
            file: file.clone(),
            variant,
            source: source.clone(),
            skipped: skipped.clone(),
            unreadable: unreadable.clone(),
        });
        tests.extend(of_file.filter(|test| takes(&test.name())));
    }
    Ok(Tests { tests, corpus: corpus.name(), missing })
}

/// Whether a test is for some global that is like ours: a window, a worker or a shell.
fn is_for_us(source: &str) -> bool {
    let Some(globals) = meta(source, "global").next() else { return true };
    globals.split(',').any(|one| !["serviceworker", "sharedworker"].contains(&one.trim()))
}

/// The text of testharness.js.
///
/// # Errors
/// When it cannot be read.
pub fn harness(checkout: &Checkout) -> Result<String, Error> {
    let path = checkout.folder.join("resources/testharness.js");
    program::read(&path).map_err(Error::reading(&path))
}

/// Subtests by name: passed, or why not.
pub type Subtests = BTreeMap<String, Result<(), String>>;

/// The subtests that printed lines tell of, and how the test itself ended, if it did.
pub fn subtests_of<'a>(lines: impl Iterator<Item = &'a str>) -> (Subtests, Option<Result<(), String>>) {
    #[derive(Deserialize)]
    struct Line {
        #[serde(default)]
        name: String,
        status: u32,
        message: String,
    }
    let (mut subtests, mut end) = (Subtests::new(), None);
    let read = |text: &str| serde_json::from_str::<Line>(text).ok();
    for line in lines {
        if let Some(line) = line.strip_prefix("@@WPT ").and_then(read) {
            let state = match line.status {
                0 => Ok(()),
                // Optional, and not there: neither passed nor failed.
                4 => continue,
                2 => Err(format!("timeout: {}", line.message)),
                3 => Err("not run".into()),
                _ => Err(line.message),
            };
            subtests.insert(line.name, state);
        } else if let Some(line) = line.strip_prefix("@@WPTEND ").and_then(read) {
            end = Some(if line.status == 0 { Ok(()) } else { Err(line.message) });
        }
    }
    (subtests, end)
}

/// Subtests of a run in the sandbox, and how it ended if that was not as it should be.
pub fn of_sandbox(ran: &Ran) -> (Subtests, Option<(Kind, String)>) {
    let (subtests, end) = subtests_of(ran.lines.iter().map(String::as_str));
    let end = match (end, &ran.end) {
        (Some(Ok(())), End::Completed) => None,
        (_, End::Threw(name, message)) => Some((Kind::Failed, format!("{name}: {}", first_line(message)))),
        (_, End::Limit(which)) => Some((Kind::Limit, format!("the limit of {which}"))),
        (_, End::Crashed(what)) => Some((Kind::Crash, format!("CRASH: {what}"))),
        (Some(Err(message)), End::Completed) => Some((Kind::Failed, first_line(&message))),
        (None, End::Completed) => Some((Kind::Failed, "it ended before its tests did".into())),
    };
    (subtests, end)
}

/// The first line of a text, at most 400 characters of it.
pub fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(400).collect()
}

/// The row of the table that a test counts in.
pub fn area(name: &str) -> &'static str {
    FOLDERS
        .iter()
        .find(|folder| name.strip_prefix(**folder).is_some_and(|rest| rest.starts_with('/')))
        .copied()
        .unwrap_or_default()
}

pub(crate) fn run(
    checkout: &Checkout,
    sandbox: &Sandbox,
    options: &Options,
    watch: &Watch<'_>,
) -> Result<(String, Vec<Case>), Error> {
    let Tests { tests, corpus, .. } = collect(checkout, &|name| options.takes(name))?;
    let harness = harness(checkout)?;
    watch.begin(tests.len());
    let work = |runtime: &mut Runtime, test: &Test| {
        let cases = cases(checkout, &harness, test, sandbox, runtime, options);
        watch.saw(cases.iter().map(|case| &case.state));
        Ok(cases)
    };
    let threads = options.threads.unwrap_or_else(|| workers::cores() * THREADS_PER_CORE);
    let cases = workers::each(&tests, threads, crate::run::worker, work, &|done| watch.told(done))?;
    Ok((corpus, cases.into_iter().flatten().collect()))
}

fn cases(
    checkout: &Checkout,
    harness: &str,
    test: &Test,
    sandbox: &Sandbox,
    runtime: &Runtime,
    options: &Options,
) -> Vec<Case> {
    let case = |subtest: String, state| Case { area: area(&test.file).to_owned(), test: test.name(), subtest, state };
    if let Some(problem) = &test.unreadable {
        return vec![case(String::new(), State::Failed(Kind::Unreadable, problem.clone()))];
    }
    if let Some(reason) = &test.skipped {
        return vec![case(String::new(), State::Skipped(reason.clone()))];
    }
    let source = program(&checkout.folder, harness, &test.file, &test.variant, &test.source);
    let program =
        Program { is_module: false, name: test.file.clone(), source, folder: checkout.folder.clone(), extra: None };
    let ran = sandbox.run(runtime, &program, options.bounds.limits(test.deadline_ms()));
    let (subtests, end) = of_sandbox(&ran);
    let of_subtest = |(name, state): (String, Result<(), String>)| {
        let state = state.map_or_else(|what| State::Failed(Kind::Failed, first_line(&what)), |()| State::Passed);
        case(name, state)
    };
    let of_end = end.map(|(kind, what)| case(String::new(), State::Failed(kind, what)));
    of_end.into_iter().chain(subtests.into_iter().map(of_subtest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_that_is_built_in_is_sound() {
        assert!(Listed::parse(SKIP).is_ok_and(|list| list.names().count() > 10));
    }

    #[test]
    fn lines_tell_of_subtests() {
        let lines = [
            "noise",
            r#"@@WPT {"name":"a","status":0,"message":""}"#,
            r#"@@WPT {"name":"b \u00e9","status":1,"message":"no"}"#,
            r#"@@WPT {"name":"c","status":4,"message":""}"#,
            r#"@@WPTEND {"status":0,"message":""}"#,
        ];
        let (subtests, end) = subtests_of(lines.into_iter());
        assert_eq!(subtests, [("a".to_owned(), Ok(())), ("b é".to_owned(), Err("no".to_owned()))].into());
        assert_eq!(end, Some(Ok(())));
    }

    #[test]
    fn a_test_that_does_not_end_well_is_a_failure_of_its_own() {
        let end = |lines: &[&str], end| {
            of_sandbox(&Ran { lines: lines.iter().map(|line| (*line).to_owned()).collect(), end }).1
        };
        let done = r#"@@WPTEND {"status":0,"message":""}"#;
        let kind = |ended: Option<(Kind, String)>| ended.map(|(kind, _)| kind);
        assert_eq!(end(&[done], End::Completed), None);
        assert_eq!(kind(end(&[], End::Completed)), Some(Kind::Failed));
        assert_eq!(kind(end(&[r#"@@WPTEND {"status":1,"message":"setup"}"#], End::Completed)), Some(Kind::Failed));
        assert_eq!(kind(end(&[done], End::Limit("fuel".into()))), Some(Kind::Limit));
        assert_eq!(kind(end(&[], End::Crashed("trap".into()))), Some(Kind::Crash));
    }

    #[test]
    fn tests_for_workers_of_other_kinds_are_not_for_us() {
        assert!(is_for_us("1"));
        assert!(is_for_us("// META: global=window,serviceworker"));
        assert!(!is_for_us("// META: global=serviceworker,sharedworker"));
    }
}
