//! The command line, and where things are: the repository, the checkouts beside it, the cache folder.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use belljar_conformance::{Checkout, Suite as Third};

const USAGE: &str = "usage: belljar-compat SUITE... [--test262 DIR] [--wpt DIR] [--sample N] [--only TEXT], with SUITE one of \
                     test262, wpt, wintertc, npm, own, all";

/// What can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suite {
    Test262,
    Wpt,
    Wintertc,
    Npm,
    /// Tests of this repository: for CI, which has no checkouts.
    Own,
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) suites: Vec<Suite>,
    pub(crate) repository: PathBuf,
    test262: Option<PathBuf>,
    wpt: Option<PathBuf>,
    /// That many tests of each suite, the same ones each time.
    pub(crate) sample: Option<usize>,
    /// Tests whose name contains this.
    pub(crate) only: Option<String>,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// Usage, when it is not understood.
    pub(crate) fn parse(args: &[String]) -> Result<Self> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let repository = repository.canonicalize().unwrap_or(repository);
        let mut options = Self { suites: Vec::new(), repository, test262: None, wpt: None, sample: None, only: None };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} needs a value; {USAGE}"));
            match arg.as_str() {
                "test262" => options.suites.push(Suite::Test262),
                "wpt" => options.suites.push(Suite::Wpt),
                "wintertc" => options.suites.push(Suite::Wintertc),
                "npm" => options.suites.push(Suite::Npm),
                "own" => options.suites.push(Suite::Own),
                "all" => options.suites.extend([Suite::Wintertc, Suite::Npm, Suite::Wpt, Suite::Test262]),
                "--test262" => options.test262 = Some(value()?.into()),
                "--wpt" => options.wpt = Some(value()?.into()),
                "--sample" => options.sample = Some(value()?.parse().context("--sample needs a number")?),
                "--only" => options.only = Some(value()?.clone()),
                _ => bail!("{arg:?} is not understood; {USAGE}"),
            }
        }
        if options.suites.is_empty() {
            bail!("{USAGE}");
        }
        Ok(options)
    }

    /// Whether whole suites are run, so that the results are worth keeping.
    pub(crate) fn is_whole(&self) -> bool {
        self.sample.is_none() && self.only.is_none()
    }

    /// The folder of this crate, with lists and programs.
    pub(crate) fn folder(&self) -> PathBuf {
        self.repository.join("tests/conformance")
    }

    /// The checkout of test262, if there is one.
    pub(crate) fn test262(&self) -> Option<Checkout> {
        self.checkout(self.test262.as_ref(), "test262", Third::Test262)
    }

    /// The checkout of web-platform-tests, if there is one.
    pub(crate) fn wpt(&self) -> Option<Checkout> {
        self.checkout(self.wpt.as_ref(), "wpt", Third::Wpt)
    }

    fn checkout(&self, given: Option<&PathBuf>, name: &str, suite: Third) -> Option<Checkout> {
        let beside = || self.repository.parent().map(|parent| parent.join(name)).unwrap_or_default();
        let folder = given.cloned().unwrap_or_else(beside);
        match Checkout::open(suite, &folder) {
            Ok(checkout) => Some(checkout),
            Err(error) => {
                eprintln!(
                    "conformance: skipped: {name} is not in {}: {error}; {}, or name a checkout with --{name} DIR",
                    folder.display(),
                    error.hint().unwrap_or_default()
                );
                None
            }
        }
    }

    /// Whether a test is asked for by its name.
    pub(crate) fn takes(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|text| name.contains(text.as_str()))
    }

    /// Cuts tests down to the sample asked for: the same ones each time, spread over all.
    pub(crate) fn cut<T>(&self, tests: Vec<T>, name: impl Fn(&T) -> String) -> Vec<T> {
        let Some(sample) = self.sample.filter(|sample| *sample < tests.len()) else { return tests };
        let mut keyed: Vec<_> =
            tests.into_iter().map(|test| (*blake3::hash(name(&test).as_bytes()).as_bytes(), test)).collect();
        keyed.sort_by_key(|(key, _)| *key);
        keyed.truncate(sample);
        let mut tests: Vec<_> = keyed.into_iter().map(|(_, test)| test).collect();
        tests.sort_by_key(|test| name(test));
        tests
    }
}

/// The part of the cache folder for results: `BELLJAR_CACHE`, else `belljar` in the user's cache folder, as everywhere here.
pub(crate) fn cache() -> PathBuf {
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = || var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")));
    let base = var("BELLJAR_CACHE").unwrap_or_else(|| user().unwrap_or_else(std::env::temp_dir).join("belljar"));
    base.join("conformance")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_command_line_is_read() {
        let options = parse("wpt test262 --sample 7 --only url/").expect("it is sound");
        assert_eq!(options.suites, [Suite::Wpt, Suite::Test262]);
        assert_eq!(
            (options.sample, options.is_whole(), options.takes("url/a"), options.takes("x")),
            (Some(7), false, true, false)
        );
        for line in ["", "wpt --sample", "wpt --sample many", "acid3"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_sample_is_the_same_each_time() {
        let options = parse("own --sample 3").expect("it is sound");
        let cut = || options.cut((0..50).collect(), |n: &i32| format!("{n:03}"));
        assert_eq!((cut().len(), cut()), (3, cut()));
    }
}
