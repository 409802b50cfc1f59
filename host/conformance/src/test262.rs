//! test262, the conformance suite of ECMAScript: each test in the modes it asks for (INTERPRETING.md there). It passes when it passes in all.

mod front_matter;
mod judge;

use std::collections::BTreeMap;

use tokio::runtime::Runtime;

pub use self::front_matter::{FrontMatter, Mode, Negative};
pub use self::judge::{State, judge};
use crate::checkout::{Checkout, Corpus, files, name_in};
use crate::error::Error;
use crate::listed::Listed;
use crate::program::{self, Program};
use crate::report::{self, Case, Kind};
use crate::run::{Options, Watch};
use crate::sandbox::Sandbox;
use crate::workers;

const HOST: &str = include_str!("test262/host.js");
const SKIP: &str = include_str!("test262/skip.txt");
/// The module that brings the harness into a module's realm, before anything else of it is evaluated.
const HARNESS: &str = "./belljar-harness_FIXTURE.js";
/// Wall clock for one program, milliseconds. Nothing needs it but what runs away, or a machine that is very busy.
pub const DEADLINE_MS: u64 = 180_000;
/// What is run of the folder `test`. intl402 is about all of Intl; applets have it for the locales they declare (docs/compat.md).
pub const FOLDERS: [&str; 5] = ["annexB", "built-ins", "harness", "language", "staging"];

/// One file.
#[derive(Debug)]
pub struct Test {
    /// Path below `test`.
    pub name: String,
    /// What it says of itself.
    pub matter: FrontMatter,
    /// Its text.
    pub source: String,
    /// Why it is not run.
    pub skipped: Option<String>,
    /// Why it cannot be run, though it should be.
    pub unreadable: Option<String>,
}

/// Tests of a checkout.
#[derive(Debug)]
pub struct Tests {
    /// In the order of their names.
    pub tests: Vec<Test>,
    /// Names the checkout by content.
    pub corpus: String,
}

/// Reads all tests whose names `takes` takes.
///
/// # Errors
/// When a folder cannot be listed. A file that cannot be read is a test of its own ([`Test::unreadable`]).
pub fn collect(checkout: &Checkout, takes: &(dyn Fn(&str) -> bool + Sync)) -> Result<Tests, Error> {
    let root = checkout.folder.join("test");
    let mut paths = Vec::new();
    for folder in FOLDERS.map(|folder| root.join(folder)) {
        if folder.is_dir() {
            files(&folder, ".js", &mut paths)?;
        }
    }
    paths.sort();
    let skip = skip_list();
    let read = workers::each(
        &paths,
        workers::cores(),
        || Ok::<_, Error>(()),
        |(), path| Ok(read(name_in(&root, path), path, &skip, takes)),
        &|_| (),
    );
    let mut corpus = Corpus::default();
    let mut tests = Vec::new();
    for (test, is_taken) in read? {
        corpus.add(&test.name, &test.source);
        tests.extend(is_taken.then_some(test));
    }
    Ok(Tests { tests, corpus: corpus.name() })
}

/// Features whose tests are not run, with reasons.
///
/// ```
/// assert!(belljar_conformance::test262::skip_list().reason("tail-call-optimization").is_some());
/// ```
pub fn skip_list() -> Listed {
    Listed::parse(SKIP).expect("the list that is built in is sound: a test holds that")
}

fn read(name: String, path: &std::path::Path, skip: &Listed, takes: &(dyn Fn(&str) -> bool + Sync)) -> (Test, bool) {
    let is_taken = !name.contains("_FIXTURE") && takes(&name);
    let test = |source, matter, skipped, unreadable| Test { name, matter, source, skipped, unreadable };
    let source = match program::read(path) {
        Ok(source) => source,
        Err(error) => {
            return (
                test(String::new(), FrontMatter::default(), None, Some(format!("it cannot be read: {error}"))),
                is_taken,
            );
        }
    };
    // Of what is not run the text alone counts.
    match if is_taken { FrontMatter::of(&source) } else { Ok(FrontMatter::default()) } {
        Ok(matter) => {
            let feature = matter.features().find(|feature| skip.reason(feature).is_some());
            let feature = feature.map(|feature| format!("feature {feature}"));
            let blocks = matter.has("CanBlockIsTrue").then(|| "flag CanBlockIsTrue".to_owned());
            let skipped = feature.or(blocks);
            (test(source, matter, skipped, None), is_taken)
        }
        Err(problem) => (test(source, FrontMatter::default(), None, Some(problem)), is_taken),
    }
}

/// What stands before tests.
#[derive(Debug)]
pub struct Harness {
    checkout: Checkout,
    files: BTreeMap<String, String>,
}

impl Harness {
    /// Reads the folder `harness`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(checkout: &Checkout) -> Result<Self, Error> {
        let folder = checkout.folder.join("harness");
        let mut paths = Vec::new();
        files(&folder, ".js", &mut paths)?;
        let mut harness = BTreeMap::new();
        for path in paths {
            let text = program::read(&path).map_err(Error::reading(&path))?;
            harness.insert(name_in(&folder, &path), text);
        }
        Ok(Self { checkout: checkout.clone(), files: harness })
    }

    /// The program for one of a test's modes.
    ///
    /// # Errors
    /// The file of the harness that it needs and that is not there.
    pub fn program(&self, test: &Test, mode: Mode) -> Result<Program, String> {
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
                Some((HARNESS.to_owned(), format!("(0, eval)({});", serde_json::Value::from(self.before(test)?))))
            }
            _ => None,
        };
        let folder = self.checkout.folder.join("test");
        Ok(Program { is_module: mode == Mode::Module, name: test.name.clone(), source, folder, extra })
    }

    /// What is evaluated before a test.
    fn before(&self, test: &Test) -> Result<String, String> {
        let done = test.matter.has("async").then_some("doneprintHandle.js");
        let names = ["assert.js", "sta.js"].into_iter().chain(done).chain(test.matter.includes());
        let mut text = HOST.to_owned();
        for name in names {
            text +=
                self.files.get(name).ok_or_else(|| format!("it needs harness/{name}, which is not in the checkout"))?;
            text.push('\n');
        }
        Ok(text)
    }
}

/// A failure with the mode it is in.
pub fn in_mode(mode: Mode, state: State) -> State {
    match state {
        State::Failed(what) => State::Failed(format!("({}) {what}", format!("{mode:?}").to_lowercase())),
        state => state,
    }
}

pub(crate) fn run(
    checkout: &Checkout,
    sandbox: &Sandbox,
    options: &Options,
    watch: &Watch<'_>,
) -> Result<(String, Vec<Case>), Error> {
    let Tests { tests, corpus } = collect(checkout, &|name| options.takes(name))?;
    let harness = Harness::read(checkout)?;
    watch.begin(tests.len());
    let work = |runtime: &mut Runtime, test: &Test| {
        let state = state(test, &harness, sandbox, runtime, options);
        watch.saw(std::slice::from_ref(&state));
        let area = area(&test.name);
        Ok(Case { area, test: test.name.clone(), subtest: String::new(), state })
    };
    let threads = options.threads.unwrap_or_else(workers::cores);
    let cases = workers::each(&tests, threads, crate::run::worker, work, &|done| watch.told(done))?;
    Ok((corpus, cases))
}

fn state(test: &Test, harness: &Harness, sandbox: &Sandbox, runtime: &Runtime, options: &Options) -> report::State {
    if let Some(problem) = &test.unreadable {
        return report::State::Failed(Kind::Unreadable, problem.clone());
    }
    if let Some(reason) = &test.skipped {
        return report::State::Skipped(reason.clone());
    }
    for mode in test.matter.modes() {
        let program = match harness.program(test, *mode) {
            Ok(program) => program,
            Err(problem) => return report::State::Failed(Kind::Unreadable, problem),
        };
        let ran = sandbox.run(runtime, &program, options.bounds.limits(DEADLINE_MS));
        let state = in_mode(*mode, judge(&test.matter, &ran));
        let kind = match &state {
            State::Passed => continue,
            State::NoHost(what) => return report::State::Skipped(format!("needs $262.{what} of a host")),
            State::Failed(_) => Kind::Failed,
            State::Limited(_) => Kind::Limit,
            State::Crashed(_) => Kind::Crash,
        };
        return report::State::Failed(kind, state.text());
    }
    report::State::Passed
}

/// The row of the table: the first two folders, so that `built-ins` has one for each object.
fn area(name: &str) -> String {
    let mut parts = name.split('/');
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    match (second, third) {
        (Some(second), Some(_)) => format!("{first}/{second}"),
        _ => first.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_that_is_built_in_is_sound() {
        assert!(Listed::parse(SKIP).is_ok_and(|list| list.names().count() > 10));
    }

    #[test]
    fn areas_are_folders() {
        for (name, expected) in [
            ("built-ins/Map/a.js", "built-ins/Map"),
            ("language/a.js", "language"),
            ("built-ins/Map/prototype/get/a.js", "built-ins/Map"),
        ] {
            assert_eq!(area(name), expected);
        }
    }
}
