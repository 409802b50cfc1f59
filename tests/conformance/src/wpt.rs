//! web-platform-tests, as far as they need no server: each `.any.js` file, in each variant, as one program in Node and in the sandbox.
//! What counts is subtests that Node passes; of those, the sandbox must pass all but what `wpt-expected.json` lists.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use belljar_conformance::wpt::{
    Subtests, Test, Tests, area, collect, first_line, harness, of_sandbox, program, subtests_of,
};
use belljar_conformance::{End, Program, cores, each};
use serde::{Deserialize, Serialize};

use crate::cases::ExpectedSubtests;
use crate::node::Node;
use crate::options::Options;
use crate::progress;
use crate::results::{self, Verdict};
use crate::sandbox;

/// Counted apart: an issue of its own.
pub(crate) const APART: &str = "WebCryptoAPI";
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
    let Some(checkout) = options.wpt() else { return Ok(Verdict::Good) };
    let Some(node) = Node::find("wpt") else { return Ok(Verdict::Good) };
    let expected = ExpectedSubtests::read(&options.folder().join("wpt-expected.json"))?;
    let mut report = Report { node: node.version.clone(), ..Report::default() };
    let Tests { tests, corpus, missing } = collect(&checkout, &|name| options.takes(name))?;
    for folder in missing {
        eprintln!("conformance: wpt: skipped: the checkout has no {folder}");
    }
    let unreadable = tests.iter().find(|test| test.unreadable.is_some());
    ensure!(unreadable.is_none(), "{} cannot be read", unreadable.map(Test::name).unwrap_or_default());
    let (skipped, tests): (Vec<_>, Vec<_>) = tests.into_iter().partition(|test| test.skipped.is_some());
    for reason in skipped.into_iter().filter_map(|test| test.skipped) {
        *report.skipped.entry(reason).or_default() += 1;
    }
    let tests = options.cut(tests, Test::name);
    let (sandbox, harness) = (sandbox::new()?, harness(&checkout)?);
    report.engine = sandbox.host().engine_digest().to_hex();
    report.corpus = corpus;

    let work = |runtime: &mut tokio::runtime::Runtime, test: &Test| {
        let source = program(checkout.folder(), &harness, &test.file, &test.variant, &test.source);
        let printed = node.script(&source, Duration::from_millis(test.deadline_ms()))?;
        let folder = checkout.folder().to_owned();
        let program = Program { is_module: false, name: test.file.clone(), source, folder, extra: None };
        let ran = sandbox.run(runtime, &program, sandbox::limits(test.deadline_ms()));
        let crashed = match &ran.end {
            End::Crashed(what) => Some(what.clone()),
            _ => None,
        };
        let (subtests, end) = of_sandbox(&ran);
        Ok(Pair {
            node: subtests_of(printed.stdout.lines()).0,
            sandbox: subtests,
            end: end.map(|(_, what)| what),
            crashed,
        })
    };
    let told = progress::teller("wpt", tests.len());
    let pairs = each(&tests, cores() * THREADS_PER_CORE, sandbox::runtime, work, &told)?;
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

/// Counts; answers what is not as it is expected.
fn judge(report: &mut Report, tests: &[Test], pairs: &[Pair], expected: &ExpectedSubtests, whole: bool) -> Vec<String> {
    let mut complaints = Vec::new();
    // What each entry of the list was met by.
    let mut failed = vec![false; expected.expected.len()];
    let mut ran = vec![false; expected.expected.len()];
    for (test, pair) in tests.iter().zip(pairs) {
        let name = test.name();
        let folder = area(&name);
        let counts = report.areas.entry(folder.to_owned()).or_default();
        counts.tests += 1;
        counts.node_run += pair.node.len();
        counts.sandbox_run += pair.sandbox.len();
        counts.sandbox += pair.sandbox.values().filter(|state| state.is_ok()).count();
        report.crashed.extend(pair.crashed.iter().map(|what| format!("{name}: {what}")));
        report.unfinished.extend(pair.end.iter().map(|end| format!("{name}: {end}")));
        for subtest in pair.node.keys().chain(pair.sandbox.keys()).collect::<BTreeSet<_>>() {
            let by_node = pair.node.get(subtest).is_some_and(Result::is_ok);
            let missed = || Err(pair.end.clone().unwrap_or_else(|| "there is no such subtest".into()));
            let by_sandbox = pair.sandbox.get(subtest).cloned().unwrap_or_else(missed);
            counts.node += usize::from(by_node);
            counts.both += usize::from(by_node && by_sandbox.is_ok());
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
        for (_, counts) in self.areas.iter().filter(|(name, _)| *name != APART) {
            total.tests += counts.tests;
            total.node_run += counts.node_run;
            total.node += counts.node;
            total.both += counts.both;
            total.sandbox += counts.sandbox;
            total.sandbox_run += counts.sandbox_run;
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
    fn listed_failures_must_fail() {
        let test = || Test {
            file: "url/a.any.js".into(),
            variant: String::new(),
            source: String::new(),
            skipped: None,
            unreadable: None,
        };
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
}
