//! web-platform-tests, as far as they need no server: each `.any.js` file, in each variant, as one program in Node and in the sandbox.
//! What counts is subtests that Node passes; of those, the sandbox must pass all but what `wpt-expected.json` lists.

mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::cases::{ExpectedSubtests, Listed};
use crate::node::Node;
use crate::options::Options;
use crate::program::{self, End, Program, Ran};
use crate::results::{self, Corpus, Verdict};
use crate::sandbox::{self, Sandbox};
use crate::workers;

/// What is run, and the rows of the table.
const FOLDERS: [&str; 16] = [
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
/// Counted apart: an issue of its own.
pub(crate) const APART: &str = "WebCryptoAPI";
/// As long as a test may take that says it is long (testharness.js has 60 s), and some more for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_LONG: Duration = Duration::from_secs(120);
/// Tests mostly wait for timers: more of them than cores.
const THREADS_PER_CORE: usize = 4;

/// What a whole run found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) engine: String,
    pub(crate) corpus: String,
    pub(crate) node: String,
    pub(crate) areas: BTreeMap<String, Area>,
    /// Files that are not run, by reason.
    pub(crate) skipped: BTreeMap<String, usize>,
    pub(crate) failing: Vec<Failing>,
    /// Tests in which the engine crashed.
    pub(crate) crashed: Vec<String>,
    /// Tests that did not come to their end in the sandbox, and how they ended.
    pub(crate) unfinished: Vec<String>,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Area {
    /// Files, variants counted.
    pub(crate) tests: usize,
    /// Subtests that Node ran, and passed.
    pub(crate) node_run: usize,
    pub(crate) node: usize,
    /// Passed by both.
    pub(crate) both: usize,
    /// Passed by the sandbox, whatever Node makes of them, of those it ran.
    pub(crate) sandbox: usize,
    pub(crate) sandbox_run: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failing {
    pub(crate) test: String,
    pub(crate) subtest: String,
    pub(crate) what: String,
    pub(crate) reason: Option<String>,
}

struct Test {
    /// Path in the checkout.
    file: String,
    /// `?…`, or nothing.
    variant: String,
    source: String,
}

impl Test {
    fn name(&self) -> String {
        format!("{}{}", self.file, self.variant)
    }
}

/// Subtests by name: passed, or why not.
type Subtests = BTreeMap<String, Result<(), String>>;

struct Pair {
    node: Subtests,
    sandbox: Subtests,
    end: Option<String>,
    crashed: Option<String>,
}

/// Runs the checkout.
///
/// # Errors
/// When the run itself fails.
pub(crate) fn run(options: &Options) -> Result<Verdict> {
    let Some(root) = options.wpt() else { return Ok(Verdict::Good) };
    let Some(node) = Node::find("wpt") else { return Ok(Verdict::Good) };
    let skip = Listed::read(&options.folder().join("wpt-skip.txt"))?;
    let expected = ExpectedSubtests::read(&options.folder().join("wpt-expected.json"))?;
    let mut report = Report { node: node.version.clone(), ..Report::default() };
    let mut corpus = Corpus::default();
    let tests = options.cut(tests(&root, options, &skip, &mut corpus, &mut report.skipped)?, Test::name);
    let sandbox = Sandbox::new()?;
    report.engine = sandbox.host.engine_digest().to_hex();
    report.corpus = corpus.name();

    let threads = workers::cores() * THREADS_PER_CORE;
    let pairs = workers::each("wpt", &tests, threads, sandbox::runtime, |runtime, test| {
        let source = page::program(&root, &test.file, &test.variant, &test.source).with_context(|| test.name())?;
        let is_long = page::meta(&test.source, "timeout").any(|timeout| timeout == "long");
        let patience = if is_long { PATIENCE_LONG } else { PATIENCE };
        let printed = node.script(&source, patience)?;
        let program = Program { is_module: false, name: test.file.clone(), source, folder: root.clone(), extra: None };
        let deadline_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let ran = sandbox.run(runtime, &program, sandbox::limits(deadline_ms), &[]);
        let crashed = match &ran.end {
            End::Crashed(what) => Some(what.clone()),
            _ => None,
        };
        let (subtests, end) = of_sandbox(&ran);
        Ok(Pair { node: subtests_of(printed.stdout.lines()).0, sandbox: subtests, end, crashed })
    })?;
    let mut complaints = judge(&mut report, &tests, &pairs, &expected, options.is_whole());
    complaints.extend(report.crashed.iter().map(|one| format!("crash: {one}")));
    if options.is_whole() {
        let told = |one: &Failing| first_line(&format!("{} :: {:?}  {}", one.test, one.subtest, one.what));
        let path = results::keep("wpt", &report)?;
        let failures = results::lines("wpt-failures.txt", &report.failing.iter().map(told).collect::<Vec<_>>())?;
        eprintln!("conformance: wpt: results in {}, what Node alone passes in {}", path.display(), failures.display());
    }
    tell(&report);
    Ok(Verdict::of("wpt", &complaints))
}

fn tests(
    root: &Path,
    options: &Options,
    skip: &Listed,
    corpus: &mut Corpus,
    skipped: &mut BTreeMap<String, usize>,
) -> Result<Vec<Test>> {
    let mut names = BTreeSet::new();
    for folder in FOLDERS {
        files(root, folder, &mut names)?;
    }
    let mut tests = Vec::new();
    for file in names {
        let source = program::read(&root.join(&file))?;
        corpus.add(&file, &source);
        let elsewhere = "is for service or shared workers alone";
        let reason = skip.matching(&file).or_else(|| (!is_for_us(&source)).then_some(elsewhere));
        if let Some(reason) = reason {
            *skipped.entry(reason.to_owned()).or_default() += 1;
            continue;
        }
        let mut variants: Vec<_> = page::meta(&source, "variant").map(str::to_owned).collect();
        if variants.is_empty() {
            variants.push(String::new());
        }
        let of_file = variants.into_iter().map(|variant| Test { file: file.clone(), variant, source: source.clone() });
        tests.extend(of_file.filter(|test| options.takes(&test.name())));
    }
    Ok(tests)
}

fn files(root: &Path, folder: &str, names: &mut BTreeSet<String>) -> Result<()> {
    let path = root.join(folder);
    if !path.is_dir() {
        eprintln!("conformance: wpt: skipped: the checkout has no {folder}");
        return Ok(());
    }
    for entry in std::fs::read_dir(&path)? {
        let entry = entry?;
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files(root, &name, names)?;
        } else if name.ends_with(".any.js") {
            names.insert(name);
        }
    }
    Ok(())
}

/// Whether a test is for some global that is like ours: a window, a worker or a shell.
fn is_for_us(source: &str) -> bool {
    let Some(globals) = page::meta(source, "global").next() else { return true };
    globals.split(',').any(|one| !["serviceworker", "sharedworker"].contains(&one.trim()))
}

/// The subtests that lines tell of, and how the test itself ended, if it did.
fn subtests_of<'a>(lines: impl Iterator<Item = &'a str>) -> (Subtests, Option<Result<(), String>>) {
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
fn of_sandbox(ran: &Ran) -> (Subtests, Option<String>) {
    let (subtests, end) = subtests_of(ran.lines.iter().map(String::as_str));
    let end = match (end, &ran.end) {
        (Some(Ok(())), End::Completed) => None,
        (_, End::Threw(name, message)) => Some(format!("{name}: {}", first_line(message))),
        (_, End::Limit(which)) => Some(format!("the limit of {which}")),
        (_, End::Crashed(what)) => Some(format!("CRASH: {what}")),
        (Some(Err(message)), End::Completed) => Some(first_line(&message)),
        (None, End::Completed) => Some("it ended before its tests did".into()),
    };
    (subtests, end)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(400).collect()
}

/// Counts; answers what is not as it is expected.
fn judge(report: &mut Report, tests: &[Test], pairs: &[Pair], expected: &ExpectedSubtests, whole: bool) -> Vec<String> {
    let mut complaints = Vec::new();
    // What each entry of the list was met by.
    let mut failed = vec![false; expected.expected.len()];
    let mut ran = vec![false; expected.expected.len()];
    for (test, pair) in tests.iter().zip(pairs) {
        let name = test.name();
        let folder = FOLDERS.iter().find(|folder| name.starts_with(&format!("{folder}/"))).copied().unwrap_or_default();
        let area = report.areas.entry(folder.to_owned()).or_default();
        area.tests += 1;
        area.node_run += pair.node.len();
        area.sandbox_run += pair.sandbox.len();
        area.sandbox += pair.sandbox.values().filter(|state| state.is_ok()).count();
        report.crashed.extend(pair.crashed.iter().map(|what| format!("{name}: {what}")));
        report.unfinished.extend(pair.end.iter().map(|end| format!("{name}: {end}")));
        for subtest in pair.node.keys().chain(pair.sandbox.keys()).collect::<BTreeSet<_>>() {
            let by_node = pair.node.get(subtest).is_some_and(Result::is_ok);
            let missed = || Err(pair.end.clone().unwrap_or_else(|| "there is no such subtest".into()));
            let by_sandbox = pair.sandbox.get(subtest).cloned().unwrap_or_else(missed);
            area.node += usize::from(by_node);
            area.both += usize::from(by_node && by_sandbox.is_ok());
            let entry = expected.entry(&name, subtest);
            match (by_sandbox, entry) {
                (Ok(()), Some(entry)) => {
                    ran[entry] = true;
                    if expected.expected[entry].subtest != "*" {
                        complaints.push(format!(
                            "{name} :: {subtest:?} passes, and is listed as an expected failure: take it off the list"
                        ));
                    }
                }
                (Ok(()), None) => {}
                (Err(what), entry) => {
                    if let Some(entry) = entry {
                        (ran[entry], failed[entry]) = (true, true);
                    }
                    if by_node {
                        let reason = entry.map(|entry| expected.expected[entry].reason.clone());
                        if reason.is_none() && folder != APART {
                            complaints.push(format!("{name} :: {subtest:?} fails unexpectedly: {}", first_line(&what)));
                        }
                        let what = first_line(&what);
                        report.failing.push(Failing { test: name.clone(), subtest: subtest.clone(), what, reason });
                    }
                }
            }
        }
    }
    for ((one, failed), ran) in expected.expected.iter().zip(failed).zip(ran) {
        let what = format!("{} :: {:?} is listed as an expected failure, and", one.test, one.subtest);
        match (one.subtest.as_str(), ran, failed) {
            ("*", true, false) => complaints.push(format!("{what} nothing in it fails: take it off the list")),
            (_, false, _) if whole => complaints.push(format!("{what} there is no such subtest: take it off the list")),
            _ => {}
        }
    }
    complaints
}

impl Report {
    /// All areas together, but for the one that is counted apart.
    pub(crate) fn total(&self) -> Area {
        let mut total = Area::default();
        for (_, area) in self.areas.iter().filter(|(name, _)| *name != APART) {
            total.tests += area.tests;
            total.node_run += area.node_run;
            total.node += area.node;
            total.both += area.both;
            total.sandbox += area.sandbox;
            total.sandbox_run += area.sandbox_run;
        }
        total
    }
}

fn tell(report: &Report) {
    let Area { tests, node_run, node, both, sandbox, sandbox_run } = report.total();
    eprintln!(
        "conformance: wpt: {tests} tests: Node passes {node} of {node_run} subtests, Belljar {both} of these {node} ({}), and {sandbox} of \
         the {sandbox_run} it runs; {} tests do not end well, {} crashes",
        crate::compat::percent(both, node),
        report.unfinished.len(),
        report.crashed.len()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn listed_failures_must_fail() {
        let test = || Test { file: "url/a.any.js".into(), variant: String::new(), source: String::new() };
        let state = |ok: bool| if ok { Ok(()) } else { Err("no".to_owned()) };
        let pair = |one: bool, two: bool| Pair {
            node: [("one".to_owned(), Ok(())), ("two".to_owned(), Ok(()))].into(),
            sandbox: [("one".to_owned(), state(one)), ("two".to_owned(), state(two))].into(),
            end: None,
            crashed: None,
        };
        let check = |subtest: &str, pair: Pair| {
            let json =
                format!(r#"{{"format":1,"expected":[{{"test":"url/a.any.js","subtest":"{subtest}","reason":"r"}}]}}"#);
            let expected: ExpectedSubtests = serde_json::from_str(&json).expect("it is sound");
            let mut report = Report::default();
            let complaints = judge(&mut report, &[test()], &[pair], &expected, true);
            (complaints.len(), report.total().both)
        };
        assert_eq!(check("one", pair(false, true)), (0, 1), "as listed");
        assert_eq!(check("one", pair(true, true)), (1, 2), "a listed failure passes");
        assert_eq!(check("one", pair(false, false)), (1, 0), "another one fails");
        assert_eq!(check("*", pair(false, false)), (0, 0), "all of them may fail");
        assert_eq!(check("*", pair(true, true)), (1, 2), "none of them fails");
        assert_eq!(check("gone", pair(true, true)), (1, 2), "there is no such subtest");
    }

    #[test]
    fn tests_for_workers_of_other_kinds_are_not_for_us() {
        assert!(is_for_us("1"));
        assert!(is_for_us("// META: global=window,serviceworker"));
        assert!(!is_for_us("// META: global=serviceworker,sharedworker"));
    }
}
