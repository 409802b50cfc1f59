//! `cargo xtask tidy`: what no compiler checks. Paths that documents mention exist; nothing names one machine or its package
//! registry; white space is as everywhere; Rust is as rustfmt writes it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command::{cargo, exists, output, run as run_command};

/// Files whose text is ours.
const TEXT: [&str; 14] = ["rs", "ts", "js", "mjs", "c", "h", "md", "toml", "yaml", "yml", "json", "wit", "sh", "lock"];
/// The one source that locked crates come from.
const CRATES: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// Folders that documents may name and that are made, not kept.
const MADE: [&str; 2] = ["host/core/engine", "node_modules"];

/// Checks every file of the repository.
pub(crate) fn run(repository: &Path) -> Result<()> {
    let listed = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let files = output(Command::new("git").args(listed).current_dir(repository))?;
    // Where this machine has the repository, and its user's files: what a tool or a person pastes by mistake.
    let home = std::env::var("HOME").ok().filter(|home| home.len() > 1).map(|home| format!("{home}/"));
    let machine: Vec<String> = [Some(repository.display().to_string()), home].into_iter().flatten().collect();
    let mut problems = Vec::new();
    for name in files.split('\0').filter(|name| !name.is_empty()) {
        let extension = Path::new(name).extension().and_then(|e| e.to_str()).unwrap_or("");
        // Listed, but gone from the working tree; a link, or not text: none of our business.
        let Ok(text) = fs::read_to_string(repository.join(name)) else { continue };
        if TEXT.contains(&extension) {
            problems.extend(of_text(name, &text, &machine));
        }
        if extension == "md" {
            problems.extend(of_document(repository, name, &text));
        }
    }
    for problem in &problems {
        eprintln!("tidy: {problem}");
    }
    ensure!(problems.is_empty(), "tidy found {} problems", problems.len());
    if !exists("rustfmt", &["--version"]) {
        eprintln!(
            "tidy: skipped: the form of Rust, for there is no rustfmt; `rustup component add rustfmt` installs it"
        );
        return Ok(());
    }
    run_command(cargo(repository).args(["fmt", "--all", "--check"]))
        .context("some files are not formatted: run `cargo fmt --all`")
}

fn of_text(name: &str, text: &str, machine: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let mut problem = |what: &str| problems.push(format!("{name}:{number}: {what}"));
        if line.contains('\t') {
            problem("a tab: indent with spaces");
        }
        if line.ends_with([' ', '\r']) {
            problem("white space at the end of the line");
        }
        if machine.iter().any(|path| line.contains(path)) {
            problem("a path of this machine");
        }
        let source = line.strip_prefix("source = \"").map(|rest| rest.trim_end_matches('"'));
        if name.ends_with(".lock") && source.is_some_and(|source| source != CRATES) {
            problem("a crate from another place than the public registry");
        }
        if name.ends_with("package-lock.json") && line.contains("\"resolved\"") {
            problem("an address of a registry: lock with `omit-lockfile-registry-resolved`");
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        problems.push(format!("{name}: the last line has no end"));
    }
    problems
}

fn of_document(repository: &Path, name: &str, text: &str) -> Vec<String> {
    let folder = repository.join(name).parent().map(Path::to_owned).unwrap_or_default();
    let exists = |path: &str| {
        let path = path.split('#').next().unwrap_or(path).trim_end_matches('/');
        path.is_empty() || MADE.contains(&path) || repository.join(path).exists() || folder.join(path).exists()
    };
    let mut problems = Vec::new();
    let mut fenced = false;
    for (line, number) in text.lines().zip(1..) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let paths = quoted(line).filter(|text| is_path(repository, text)).chain(links(line));
        for path in paths.filter(|path| !exists(path)) {
            problems.push(format!("{name}:{number}: there is no {path}"));
        }
    }
    problems
}

/// What stands between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Targets of links within the repository.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
}

/// Whether a text in backticks is meant as a path: it begins with a folder of this repository.
fn is_path(repository: &Path, text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let Some((first, _)) = text.split_once('/') else { return false };
    !first.is_empty() && !first.starts_with('.') && text.chars().all(plain) && repository.join(first).is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_checked() {
        let machine = ["/srv/ada/".to_owned()];
        let check = |name: &str, text: &str, count: usize| {
            assert_eq!(of_text(name, text, &machine).len(), count, "{text:?}");
        };
        check("a.rs", "fn main() {}\n", 0);
        check("a.rs", "", 0);
        check("a.rs", "fn main() {}", 1);
        check("a.rs", "\tx \n", 2);
        check("a.md", "in /srv/ada/belljar\n", 1);
        check("Cargo.lock", &format!("source = \"{CRATES}\"\n"), 0);
        check("Cargo.lock", "source = \"registry+https://mirror.example/index\"\n", 1);
    }

    #[test]
    fn documents_name_what_exists() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let check = |text: &str, count: usize| {
            let problems = of_document(&repository, "README.md", text);
            assert_eq!(problems.len(), count, "{text}: {problems:?}");
        };
        check("see `build/xtask/src/tidy.rs` and [this](build/xtask/)", 0);
        check("see `build/xtask/src/gone.rs`", 1);
        check("see [that](docs/gone.md#part), [web](https://example.com/x) and [below](#part)", 1);
        check("`application/json`, `a/b`, `tests/*.rs` and `/usr/lib` are no paths of ours", 0);
        check("```\n`build/gone`\n```\n", 0);
    }
}
