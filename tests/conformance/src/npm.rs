//! npm packages: each has a script that uses it (`npm/NAME.mjs`), built as an applet and called in the sandbox, and called in Node; the text
//! they answer must be the same. `npm/README.md` says what a script is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use belljar::{Invocation, Payload, Release, Response, TenantId};
use serde::{Deserialize, Serialize};

use crate::node::{self, Node};
use crate::options::{self, Options};
use crate::results::{self, Verdict};
use crate::sandbox::{self, Sandbox};

/// Beside the scripts, and no script.
const HARNESS: &str = "harness.mjs";
/// Calls a script in Node and prints what it answers.
const IN_NODE: &str = "const script = await import(process.argv[1]); process.stdout.write(await script.default());";
const PATIENCE: Duration = Duration::from_secs(120);
const PATIENCE_INSTALL: Duration = Duration::from_secs(600);

/// What a whole run found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) engine: String,
    pub(crate) node: String,
    pub(crate) packages: Vec<Package>,
}

/// One package.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Empty when the script is named after none of the installed packages.
    pub(crate) version: String,
    /// What is wrong, if something is.
    pub(crate) problem: Option<String>,
    /// Why that is expected.
    pub(crate) reason: Option<String>,
}

impl Report {
    pub(crate) fn passed(&self) -> usize {
        self.packages.iter().filter(|one| one.problem.is_none()).count()
    }
}

/// Runs all scripts.
///
/// # Errors
/// When the run itself fails.
pub(crate) fn run(options: &Options) -> Result<Verdict> {
    let sources = options.folder().join("npm");
    if !sources.join("package-lock.json").is_file() {
        eprintln!("conformance: npm: skipped: there are no scripts in {}", sources.display());
        return Ok(Verdict::Good);
    }
    let Some(node) = Node::find("npm") else { return Ok(Verdict::Good) };
    let folder = match installed(&sources) {
        Ok(folder) => folder,
        Err(error) => {
            eprintln!(
                "conformance: npm: skipped: the packages are not in the cache, and cannot be installed: {error:#}"
            );
            return Ok(Verdict::Good);
        }
    };
    let expected: BTreeMap<String, String> = serde_json::from_slice(&fs::read(sources.join("expected-failures.json"))?)
        .context("expected-failures.json has reasons by name")?;
    let names: Vec<_> = scripts(&sources)?.into_iter().filter(|name| options.takes(name)).collect();
    let names = options.cut(names, String::clone);
    let sandbox = sandbox::new()?;
    let runtime = sandbox::runtime()?;
    let versions = versions(&sources)?;
    let mut report =
        Report { engine: sandbox.host().engine_digest().to_hex(), node: node.version.clone(), packages: Vec::new() };
    for name in &names {
        let place = Place::new(&sources, &folder, name)?;
        let due = place.in_node(&node)?;
        let answer = place.in_sandbox(&sandbox, &runtime);
        let problem = difference(due, answer).err();
        if let Some(problem) = &problem {
            eprintln!("conformance: npm: {name}: {problem}");
        }
        let version = versions.iter().find(|(package, _)| *package == name || package.ends_with(&format!("/{name}")));
        report.packages.push(Package {
            name: name.clone(),
            version: version.map(|(_, version)| version.clone()).unwrap_or_default(),
            reason: problem.as_ref().and_then(|_| expected.get(name).cloned()),
            problem: problem.map(|problem| problem.lines().next().unwrap_or_default().to_owned()),
        });
    }
    if options.is_whole() {
        results::keep("npm", &report)?;
    }
    eprintln!(
        "conformance: npm: {} of {} scripts answer what they answer in Node",
        report.passed(),
        report.packages.len()
    );
    Ok(Verdict::of("npm", &complaints(&report, &expected, options.is_whole())))
}

/// Names of scripts, in order.
fn scripts(sources: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(sources)? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        if let Some(name) = file.strip_suffix(".mjs").filter(|_| file != HARNESS) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Versions of the packages that are asked for, by name.
fn versions(sources: &Path) -> Result<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Manifest {
        dependencies: BTreeMap<String, String>,
    }
    let manifest: Manifest =
        serde_json::from_slice(&fs::read(sources.join("package.json"))?).context("package.json")?;
    Ok(manifest.dependencies)
}

/// The folder in the cache where the packages are installed; they are, if they were not.
fn installed(sources: &Path) -> Result<PathBuf> {
    let lock = fs::read(sources.join("package-lock.json"))?;
    let folder = options::cache().join("npm").join(&blake3::hash(&lock).to_hex()[..16]);
    let complete = folder.join("complete");
    if complete.is_file() {
        return Ok(folder);
    }
    fs::create_dir_all(&folder)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(sources.join(file), folder.join(file))?;
    }
    eprintln!("conformance: npm: installing the packages");
    // Packages are untrusted: nothing of theirs is run outside the sandbox but by Node below, in the same way as the sandbox.
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&folder);
    let printed = node::run(&mut npm, PATIENCE_INSTALL)?;
    ensure!(printed.end == "exit status: 0", "npm ci: {}: {}", printed.end, printed.stderr.trim());
    fs::write(complete, "")?;
    Ok(folder)
}

/// The folder of one script, below the installed packages.
struct Place {
    folder: PathBuf,
    script: PathBuf,
    /// What its answer in Node depends on.
    content: blake3::Hash,
}

impl Place {
    fn new(sources: &Path, installed: &Path, name: &str) -> Result<Self> {
        let folder = installed.join("scripts").join(name);
        fs::create_dir_all(&folder)?;
        let file = format!("{name}.mjs");
        let manifest = format!(
            "id: conformance\nversion: 1.0.0\nname: Conformance\nruntime:\n  entrypoint: {file}\n  locales: [en]\n  limits:\n    fuel_max: 50000000000\n    \
             max_memory_mb: 256\n"
        );
        fs::write(folder.join("manifest.yaml"), manifest)?;
        let mut content = blake3::Hasher::new();
        for (file, into) in [(file.as_str(), file.as_str()), (HARNESS, HARNESS)] {
            let text = fs::read(sources.join(file))?;
            content.update(&text);
            fs::write(folder.join(into), text)?;
        }
        content.update(installed.as_os_str().as_encoded_bytes());
        Ok(Self { script: folder.join(file), folder, content: content.finalize() })
    }

    /// What the script answers in Node, or what it printed to stderr.
    fn in_node(&self, node: &Node) -> Result<String> {
        let key = blake3::hash(format!("{} {} {IN_NODE} production", node.version, self.content).as_bytes()).to_hex();
        let name = format!("node/npm-{}", &key[..32]);
        let printed = match results::kept::<node::Printed>(&name) {
            Some(printed) => printed,
            None => {
                let mut command = Command::new("node");
                command.args(["--input-type=module", "--eval", IN_NODE, "--"]).arg(&self.script);
                // As in the sandbox: UTC, the one locale that is declared, and what bundling fills in.
                command.envs([("TZ", "UTC"), ("LANG", "en_US.UTF-8"), ("NODE_ENV", "production")]);
                command.current_dir(&self.folder);
                let printed = node::run(&mut command, PATIENCE)?;
                results::keep(&name, &printed)?;
                printed
            }
        };
        ensure!(
            printed.end == "exit status: 0",
            "{}: Node: {}: {}",
            self.script.display(),
            printed.end,
            printed.stderr
        );
        Ok(printed.stdout)
    }

    /// What the script answers in the sandbox, or why it does not.
    fn in_sandbox(&self, sandbox: &Sandbox, runtime: &tokio::runtime::Runtime) -> Result<String> {
        let built = match belljar_build::build(&self.folder) {
            Ok(built) => built,
            Err(error) => {
                let first = error.problems().first().map(ToString::to_string).unwrap_or_default();
                bail!("it cannot be built: {}", first.lines().next().unwrap_or_default())
            }
        };
        let release =
            Release::admit_all(TenantId::new("conformance")?, &built.package.encode()?, &sandbox::limits(120_000))?;
        let call = sandbox.host().invoke(&release, Invocation::new("default", Payload::Json("null".into())));
        let outcome = runtime.block_on(call);
        sandbox.printed(&outcome);
        match outcome.result {
            Ok(Response::Value(Some(json))) => Ok(serde_json::from_str(&json).context("the answer is a text")?),
            Ok(_) => bail!("it answers no text"),
            Err(fault) => bail!("{fault}"),
        }
    }
}

/// What is wrong with an answer: the first line that differs, with what it should be.
fn difference(due: String, answer: Result<String>) -> Result<(), String> {
    let answer = answer.map_err(|error| format!("{error:#}"))?;
    if answer == due {
        return Ok(());
    }
    let (due, answer): (Vec<_>, Vec<_>) = (due.lines().collect(), answer.lines().collect());
    let at = (0..due.len().max(answer.len())).find(|at| due.get(*at) != answer.get(*at)).unwrap_or_default();
    let line = |lines: &[&str]| lines.get(at).map_or("nothing".to_owned(), |line| line.chars().take(2_000).collect());
    Err(format!(
        "line {} of its output is another one\n  in Node:    {}\n  in Belljar: {}",
        at + 1,
        line(&due),
        line(&answer)
    ))
}

fn complaints(report: &Report, expected: &BTreeMap<String, String>, whole: bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for one in &report.packages {
        match (&one.problem, expected.contains_key(&one.name)) {
            (Some(problem), false) => complaints.push(format!("{} fails unexpectedly: {problem}", one.name)),
            (None, true) => {
                complaints
                    .push(format!("{} passes, and is listed as an expected failure: take it off the list", one.name));
            }
            _ => {}
        }
    }
    if whole {
        let gone = expected.keys().filter(|name| !report.packages.iter().any(|one| one.name == **name));
        complaints
            .extend(gone.map(|name| format!("{name} is listed as an expected failure, and there is no such script")));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_told() {
        assert!(difference("a\nb\n".into(), Ok("a\nb\n".into())).is_ok());
        let told = difference("a\nb\n".into(), Ok("a\n".into())).expect_err("a line is missing");
        assert!(
            told.contains("line 2") && told.contains("in Node:    b") && told.contains("in Belljar: nothing"),
            "{told}"
        );
        assert!(difference("a".into(), Err(anyhow::anyhow!("it throws"))).is_err());
    }

    #[test]
    fn what_is_listed_must_fail_and_nothing_else() {
        let one = |name: &str, problem: Option<&str>| Package {
            name: name.into(),
            version: String::new(),
            problem: problem.map(str::to_owned),
            reason: None,
        };
        let report = Report { packages: vec![one("a", None), one("b", Some("no"))], ..Report::default() };
        let complaints = |names: &[&str]| {
            let expected = names.iter().map(|name| ((*name).to_owned(), "r".to_owned())).collect();
            complaints(&report, &expected, true).len()
        };
        assert_eq!(
            (complaints(&["b"]), complaints(&[]), complaints(&["a", "b"]), complaints(&["b", "c"])),
            (0, 1, 1, 1)
        );
    }
}
