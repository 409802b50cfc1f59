//! test262, the conformance suite of ECMAScript: each test in the modes it asks for, in native QuickJS and in the sandbox. What counts is
//! what native passes; of that, the sandbox must pass all but what `test262-expected.txt` lists.

mod front_matter;
mod judge;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use self::front_matter::{FrontMatter, Mode};
use self::judge::{State, judge};
use crate::cases::Listed;
use crate::native::{self, Native};
use crate::options::Options;
use crate::program::{self, Program};
use crate::results::{self, Corpus, Verdict};
use crate::sandbox::{self, Sandbox};
use crate::workers;

const HOST: &str = include_str!("test262/host.js");
/// The module that brings the harness into a module's realm, before anything else of it is evaluated.
const HARNESS: &str = "./belljar-harness_FIXTURE.js";
/// Wall clock for one program. Nothing needs it but what runs away, or a machine that is very busy.
const DEADLINE_MS: u64 = 180_000;
/// Answers of native QuickJS between two times that all of them are written.
const KEPT_EVERY: usize = 5_000;
/// intl402 is about Intl, which native QuickJS has not.
const FOLDERS: [&str; 5] = ["annexB", "built-ins", "harness", "language", "staging"];

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

/// One file.
struct Test {
    /// Path below `test`.
    name: String,
    matter: FrontMatter,
    source: String,
    /// Why it is not run.
    skipped: Option<String>,
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
    let Some(root) = options.test262() else { return Ok(Verdict::Good) };
    let skip = Listed::read(&options.folder().join("test262-skip.txt"))?;
    let expected = Listed::read(&options.folder().join("test262-expected.txt"))?;
    let mut corpus = Corpus::default();
    let tests = options.cut(tests(&root, options, &skip, &mut corpus)?, |test: &Test| test.name.clone());
    let suite = Suite::new(&root, Some("test262-native"))?;
    let pairs = suite.run(&tests)?;
    suite.cache.keep()?;

    let mut report = report(&tests, &pairs, &expected);
    report.engine = suite.sandbox.host.engine_digest().to_hex();
    report.corpus = corpus.name();
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
    let root = options.folder().join("own");
    let tests = tests(&root, options, &Listed::default(), &mut Corpus::default())?;
    let suite = Suite::new(&root, None)?;
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

/// All tests, in order.
fn tests(root: &Path, options: &Options, skip: &Listed, corpus: &mut Corpus) -> Result<Vec<Test>> {
    let mut names = Vec::new();
    for folder in FOLDERS {
        let folder = root.join("test").join(folder);
        if folder.is_dir() {
            files(&folder, &mut names)?;
        }
    }
    names.sort();
    let read = workers::each(
        "test262: reading",
        &names,
        workers::cores(),
        || Ok(()),
        |(), path| {
            let name = path.strip_prefix(root.join("test"))?.to_string_lossy().replace('\\', "/");
            let source = program::read(path)?;
            let is_asked_for = !name.contains("_FIXTURE") && options.takes(&name);
            let matter = is_asked_for.then(|| FrontMatter::of(&source)).transpose().with_context(|| name.clone())?;
            Ok((name, source, matter))
        },
    )?;
    let mut tests = Vec::new();
    for (name, source, matter) in read {
        corpus.add(&name, &source);
        let Some(matter) = matter else { continue };
        let feature = matter.features().find(|feature| skip.reason(feature).is_some());
        let feature = feature.map(|feature| format!("feature {feature}"));
        let blocks = matter.has("CanBlockIsTrue").then(|| "flag CanBlockIsTrue".to_owned());
        let skipped = feature.or(blocks);
        tests.push(Test { name, matter, source, skipped });
    }
    Ok(tests)
}

fn files(folder: &Path, names: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, names)?;
        } else if path.extension().is_some_and(|extension| extension == "js") {
            names.push(path);
        }
    }
    Ok(())
}

/// What a run needs: the engines, the harness, and what native has answered before.
struct Suite {
    root: PathBuf,
    sandbox: Sandbox,
    harness: BTreeMap<String, String>,
    cache: Cache,
}

impl Suite {
    fn new(root: &Path, cache: Option<&'static str>) -> Result<Self> {
        let mut harness = BTreeMap::new();
        for path in {
            let mut paths = Vec::new();
            files(&root.join("harness"), &mut paths)?;
            paths
        } {
            let name = path.strip_prefix(root.join("harness"))?.to_string_lossy().replace('\\', "/");
            harness.insert(name, program::read(&path)?);
        }
        Ok(Self { root: root.to_owned(), sandbox: Sandbox::new()?, harness, cache: Cache::open(cache) })
    }

    fn run(&self, tests: &[Test]) -> Result<Vec<Pair>> {
        let state = || Ok((Native::default(), sandbox::runtime()?));
        workers::each("test262", tests, workers::cores(), state, |(native, runtime), test| {
            self.pair(native, runtime, test)
        })
    }

    fn pair(&self, native: &mut Native, runtime: &Runtime, test: &Test) -> Result<Pair> {
        let mut pair = Pair { native: State::Passed, sandbox: State::Passed };
        if test.skipped.is_some() {
            return Ok(pair);
        }
        for mode in test.matter.modes() {
            let program = self.program(test, *mode)?;
            if pair.native.passed() {
                pair.native = in_mode(*mode, self.cache.state(test, *mode, &program, || native.run(&program))?);
            }
            if pair.sandbox.passed() {
                let ran = self.sandbox.run(runtime, &program, sandbox::limits(DEADLINE_MS), &[]);
                pair.sandbox = in_mode(*mode, judge(&test.matter, &ran));
            }
        }
        Ok(pair)
    }

    fn program(&self, test: &Test, mode: Mode) -> Result<Program> {
        let source = match mode {
            Mode::Raw => test.source.clone(),
            Mode::Sloppy => format!("{}\n{}", self.before(test)?, test.source),
            Mode::Strict => format!("\"use strict\";\n{}\n{}", self.before(test)?, test.source),
            // On the line of the test's first: what is imported first is evaluated first.
            Mode::Module => format!("import \"{HARNESS}\"; {}", test.source),
        };
        let extra = match mode {
            // Scripts have globals, which modules then see; an indirect eval is a sloppy script.
            Mode::Module => {
                Some((HARNESS.to_owned(), format!("(0, eval)({});", serde_json::to_string(&self.before(test)?)?)))
            }
            _ => None,
        };
        Ok(Program {
            is_module: mode == Mode::Module,
            name: test.name.clone(),
            source,
            folder: self.root.join("test"),
            extra,
        })
    }

    /// What is evaluated before a test.
    fn before(&self, test: &Test) -> Result<String> {
        let done = test.matter.has("async").then_some("doneprintHandle.js");
        let names = ["assert.js", "sta.js"].into_iter().chain(done).chain(test.matter.includes());
        let mut text = HOST.to_owned();
        for name in names {
            text += self.harness.get(name).with_context(|| format!("{}: there is no harness/{name}", test.name))?;
            text.push('\n');
        }
        Ok(text)
    }
}

fn in_mode(mode: Mode, state: State) -> State {
    match state {
        State::Failed(what) => State::Failed(format!("({}) {what}", format!("{mode:?}").to_lowercase())),
        state => state,
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

    fn state(
        &self,
        test: &Test,
        mode: Mode,
        program: &Program,
        run: impl FnOnce() -> Result<program::Ran>,
    ) -> Result<State> {
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
