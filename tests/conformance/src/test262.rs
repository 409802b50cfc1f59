//! test262 in native QuickJS and in the sandbox, each test in the modes it asks for. What counts is what native passes; of that, the sandbox
//! must pass all but what `test262-expected.txt` lists.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, anyhow, ensure};
use belljar_conformance::test262::{self, DEADLINE_MS, Harness, Mode, State, Test, Tests, in_mode, judge};
use belljar_conformance::{Checkout, Listed, Program, Ran, Suite as Third, cores, each};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::cases::listed;
use crate::native::{self, Native};
use crate::options::Options;
use crate::progress;
use crate::results::{self, Verdict};
use crate::sandbox::{self, Sandbox};

/// Answers of native QuickJS between two times that all of them are written.
const KEPT_EVERY: usize = 5_000;

/// What a whole run found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) engine: String,
    /// Names the checkout by content.
    pub(crate) corpus: String,
    pub(crate) programs: usize,
    pub(crate) areas: BTreeMap<String, Area>,
    /// Files that are not run, by the first reason that was found.
    pub(crate) skipped: BTreeMap<String, usize>,
    /// Files that need a part of `$262`, by part.
    pub(crate) no_host: BTreeMap<String, usize>,
    /// What native passes and the sandbox does not, with the reason it is listed for.
    pub(crate) failing: Vec<Failing>,
    /// Files in which an engine crashed.
    pub(crate) crashed: Vec<String>,
    pub(crate) native_crashed: Vec<String>,
}

/// Counts of files.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Area {
    pub(crate) files: usize,
    pub(crate) skipped: usize,
    /// Neither engine is judged by these.
    pub(crate) no_host: usize,
    pub(crate) native: usize,
    /// Passed by both.
    pub(crate) both: usize,
    /// Passed by the sandbox, whatever native makes of them.
    pub(crate) sandbox: usize,
    /// Ended by a limit in the sandbox.
    pub(crate) limited: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failing {
    pub(crate) test: String,
    pub(crate) what: String,
    pub(crate) reason: Option<String>,
}

/// Both engines' states.
struct Pair {
    native: State,
    sandbox: State,
}

/// Runs the checkout.
///
/// # Errors
/// When the run itself fails.
pub(crate) fn run(options: &Options) -> Result<Verdict> {
    let Some(checkout) = options.test262() else { return Ok(Verdict::Good) };
    let expected = listed(&options.folder().join("test262-expected.txt"))?;
    let (tests, corpus) = tests(&checkout, options)?;
    let tests = options.cut(tests, |test: &Test| test.name.clone());
    let suite = Suite::new(&checkout, Some("test262-native"))?;
    let pairs = suite.run(&tests)?;
    suite.cache.keep()?;

    let mut report = report(&tests, &pairs, &expected);
    report.engine = suite.sandbox.host().engine_digest().to_hex();
    report.corpus = corpus;
    let mut complaints = complaints(&report);
    if options.is_whole() {
        let gone = expected.names().filter(|name| !tests.iter().any(|test| test.name == **name));
        complaints
            .extend(gone.map(|name| format!("{name} is listed as an expected failure, and there is no such test")));
        let path = results::keep("test262", &report)?;
        let told: Vec<_> = report.failing.iter().map(|one| format!("{}  {}", one.test, one.what)).collect();
        let failures = results::lines("test262-failures.txt", &told)?;
        eprintln!(
            "conformance: test262: results in {}, what native alone passes in {}",
            path.display(),
            failures.display()
        );
    }
    complaints.extend(unexpected_passes(&tests, &pairs, &expected));
    tell(&report);
    Ok(Verdict::of("test262", &complaints))
}

/// Runs the tests of this repository that look like test262's: all of them must pass, in both engines.
///
/// # Errors
/// When the run itself fails.
pub(crate) fn run_own(options: &Options) -> Result<Verdict> {
    let checkout = Checkout::open(Third::Test262, &options.folder().join("own"))?;
    let (tests, _) = tests(&checkout, options)?;
    let suite = Suite::new(&checkout, None)?;
    let pairs = suite.run(&tests)?;
    let report = report(&tests, &pairs, &Listed::default());
    tell(&report);
    let wrong = tests.iter().zip(&pairs).filter(|(_, pair)| !pair.native.passed() || !pair.sandbox.passed());
    let mut complaints: Vec<_> = wrong
        .map(|(test, pair)| format!("{}: native: {}; sandbox: {}", test.name, pair.native.text(), pair.sandbox.text()))
        .collect();
    if tests.is_empty() {
        complaints.push("there are no tests".into());
    }
    Ok(Verdict::of("own", &complaints))
}

/// All tests, in order, and the checkout by content.
fn tests(checkout: &Checkout, options: &Options) -> Result<(Vec<Test>, String)> {
    let Tests { tests, corpus } = test262::collect(checkout, &|name| options.takes(name))?;
    let unreadable = tests.iter().find_map(|test| Some((&test.name, test.unreadable.as_ref()?)));
    ensure!(
        unreadable.is_none(),
        "{}: {}",
        unreadable.map_or("", |(name, _)| name),
        unreadable.map_or("", |(_, problem)| problem)
    );
    Ok((tests, corpus))
}

/// What a run needs: the engines, the harness, and what native has answered before.
struct Suite {
    sandbox: Sandbox,
    harness: Harness,
    cache: Cache,
}

impl Suite {
    fn new(checkout: &Checkout, cache: Option<&'static str>) -> Result<Self> {
        Ok(Self { sandbox: sandbox::new()?, harness: Harness::read(checkout)?, cache: Cache::open(cache) })
    }

    fn run(&self, tests: &[Test]) -> Result<Vec<Pair>> {
        let state = || Ok((Native::default(), sandbox::runtime()?));
        let work = |(native, runtime): &mut (Native, Runtime), test: &Test| self.pair(native, runtime, test);
        each(tests, cores(), state, work, &progress::teller("test262", tests.len()))
    }

    fn pair(&self, native: &mut Native, runtime: &Runtime, test: &Test) -> Result<Pair> {
        let mut pair = Pair { native: State::Passed, sandbox: State::Passed };
        if test.skipped.is_some() {
            return Ok(pair);
        }
        for mode in test.matter.modes() {
            let program = self.harness.program(test, *mode).map_err(|problem| anyhow!("{}: {problem}", test.name))?;
            if pair.native.passed() {
                pair.native = in_mode(*mode, self.cache.state(test, *mode, &program, || native.run(&program))?);
            }
            if pair.sandbox.passed() {
                let ran = self.sandbox.run(runtime, &program, sandbox::limits(DEADLINE_MS));
                pair.sandbox = in_mode(*mode, judge(&test.matter, &ran));
            }
        }
        Ok(pair)
    }
}

/// What native has made of programs, by their content.
struct Cache {
    name: Option<&'static str>,
    known: Mutex<Known>,
}

#[derive(Default, Serialize, Deserialize)]
struct Known {
    version: String,
    states: BTreeMap<String, (String, State)>,
}

impl Cache {
    fn open(name: Option<&'static str>) -> Self {
        let known = name.and_then(results::kept::<Known>).filter(|known| known.version == native::VERSION);
        let known = known.unwrap_or_else(|| Known { version: native::VERSION.into(), states: BTreeMap::new() });
        Self { name, known: Mutex::new(known) }
    }

    fn state(&self, test: &Test, mode: Mode, program: &Program, run: impl FnOnce() -> Result<Ran>) -> Result<State> {
        let key = format!("{} {mode:?}", test.name);
        let mut hasher = blake3::Hasher::new();
        hasher.update(program.source.as_bytes());
        if let Some((_, extra)) = &program.extra {
            hasher.update(extra.as_bytes());
        }
        let hash = hasher.finalize().to_hex()[..16].to_owned();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).states.get(&key).cloned();
        if let Some((_, state)) = known.filter(|(known, _)| *known == hash) {
            return Ok(state);
        }
        let state = judge(&test.matter, &run()?);
        let count = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.states.insert(key, (hash, state.clone()));
            known.states.len()
        };
        // A run that is stopped has not been for nothing.
        if count.is_multiple_of(KEPT_EVERY) {
            self.keep()?;
        }
        Ok(state)
    }

    fn keep(&self) -> Result<()> {
        if let Some(name) = self.name {
            results::keep(name, &*self.known.lock().unwrap_or_else(PoisonError::into_inner))?;
        }
        Ok(())
    }
}

fn report(tests: &[Test], pairs: &[Pair], expected: &Listed) -> Report {
    let mut report = Report::default();
    for (test, pair) in tests.iter().zip(pairs) {
        let mut area = |count: &dyn Fn(&mut Area)| {
            let name = test.name.split('/').next().unwrap_or_default();
            count(report.areas.entry(name.to_owned()).or_default());
        };
        area(&|area| area.files += 1);
        if let Some(reason) = &test.skipped {
            area(&|area| area.skipped += 1);
            *report.skipped.entry(reason.clone()).or_default() += 1;
            continue;
        }
        report.programs += test.matter.modes().len();
        if let State::NoHost(what) = &pair.native {
            area(&|area| area.no_host += 1);
            *report.no_host.entry(what.clone()).or_default() += 1;
        } else {
            area(&|area| {
                area.native += usize::from(pair.native.passed());
                area.sandbox += usize::from(pair.sandbox.passed());
                area.both += usize::from(pair.native.passed() && pair.sandbox.passed());
                area.limited += usize::from(matches!(pair.sandbox, State::Limited(_)));
            });
        }
        if matches!(pair.native, State::Crashed(_)) {
            report.native_crashed.push(format!("{}: {}", test.name, pair.native.text()));
        }
        if matches!(pair.sandbox, State::Crashed(_)) {
            report.crashed.push(format!("{}: {}", test.name, pair.sandbox.text()));
        }
        if pair.native.passed() && !pair.sandbox.passed() {
            let reason = expected.reason(&test.name).map(str::to_owned);
            report.failing.push(Failing { test: test.name.clone(), what: pair.sandbox.text(), reason });
        }
    }
    report
}

fn complaints(report: &Report) -> Vec<String> {
    let unlisted = report.failing.iter().filter(|one| one.reason.is_none());
    let unlisted = unlisted.map(|one| format!("{} fails unexpectedly: {}", one.test, one.what));
    unlisted.chain(report.crashed.iter().map(|one| format!("crash: {one}"))).collect()
}

fn unexpected_passes<'a>(
    tests: &'a [Test],
    pairs: &'a [Pair],
    expected: &'a Listed,
) -> impl Iterator<Item = String> + use<'a> {
    let listed = tests.iter().zip(pairs).filter(|(test, _)| expected.reason(&test.name).is_some());
    let passing = listed.filter(|(_, pair)| pair.sandbox.passed());
    passing.map(|(test, _)| format!("{} passes, and is listed as an expected failure: take it off the list", test.name))
}

impl Report {
    /// All areas together.
    pub(crate) fn total(&self) -> Area {
        let mut total = Area::default();
        for area in self.areas.values() {
            total.files += area.files;
            total.skipped += area.skipped;
            total.no_host += area.no_host;
            total.native += area.native;
            total.both += area.both;
            total.sandbox += area.sandbox;
            total.limited += area.limited;
        }
        total
    }
}

fn tell(report: &Report) {
    let Area { files, skipped, no_host, native, both, sandbox, limited } = report.total();
    eprintln!(
        "conformance: test262: {files} files, {} programs: {skipped} skipped, {no_host} need a host's part; native passes {native}, \
         Belljar {both} of these ({}) and {sandbox} in all; {limited} ended by a limit, {} crashes",
        report.programs,
        crate::compat::percent(both, native),
        report.crashed.len()
    );
}
