//! A copy of QuickJS's locked source with our own lines inserted at named anchors (guest-js/engine/c/quickjs.insertions). Nothing
//! third-party enters the repository; an anchor that is gone fails the build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::command::output;

/// The crate that carries QuickJS's C source.
const CRATE: &str = "rquickjs-sys";
/// Where our lines are, below the guest crate.
const INSERTIONS: &str = "c/quickjs.insertions";

/// One run of our own lines and the place where they go.
#[derive(Debug, PartialEq, Eq)]
struct Insertion<'a> {
    /// File below `quickjs/`.
    file: &'a str,
    /// Start of the line that the function (or table) begins with; empty for the whole file.
    within: &'a str,
    /// The first such line after it, without indentation; our lines go before it.
    before: &'a str,
    lines: Vec<&'a str>,
}

/// The patched crate's folder, for cargo's `paths`. Made anew when the source or our lines changed.
pub(crate) fn patched(cache: &Path, guest: &Path) -> Result<PathBuf> {
    let original = locked_source(guest)?;
    let text = fs::read_to_string(guest.join(INSERTIONS)).with_context(|| INSERTIONS.to_owned())?;
    let insertions = parse(&text)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(original.as_os_str().as_encoded_bytes()).update(text.as_bytes());
    let dir = cache.join(format!("quickjs-{}", &hasher.finalize().to_hex()[..16]));
    if dir.join("complete").is_file() {
        return Ok(dir);
    }
    let _ = fs::remove_dir_all(&dir);
    copy(&original, &dir)?;
    for insertion in &insertions {
        let path = dir.join("quickjs").join(insertion.file);
        let source = fs::read_to_string(&path).with_context(|| format!("{CRATE} has no {}", insertion.file))?;
        fs::write(&path, insert(&source, insertion)?)?;
    }
    fs::write(dir.join("complete"), "")?;
    Ok(dir)
}

/// The folder where cargo keeps the crate that the guest's lock file names.
fn locked_source(guest: &Path) -> Result<PathBuf> {
    let text =
        output(Command::new("cargo").args(["metadata", "--locked", "--format-version", "1"]).current_dir(guest))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let found = packages
        .iter()
        .find(|package| package["name"] == CRATE)
        .with_context(|| format!("the guest does not use {CRATE}"))?;
    let manifest = Path::new(found["manifest_path"].as_str().context("a package without a manifest")?);
    Ok(manifest.parent().context("a manifest lies in a folder")?.to_owned())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else if entry.file_name() != ".cargo-ok" {
            fs::copy(entry.path(), &target).with_context(|| format!("cannot copy to {}", target.display()))?;
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<Vec<Insertion<'_>>> {
    let mut insertions: Vec<Insertion<'_>> = Vec::new();
    let (mut file, mut within) = ("", "");
    for (number, line) in text.lines().enumerate() {
        if line == "@@ anywhere" {
            within = "";
        } else if let Some(directive) = line.strip_prefix("@@ ") {
            match directive.split_once(": ") {
                Some(("file", name)) => (file, within) = (name, ""),
                Some(("in", start)) => within = start,
                Some(("before", before)) => insertions.push(Insertion { file, within, before, lines: Vec::new() }),
                _ => bail!(
                    "{INSERTIONS}:{}: a directive is `@@ file: `, `@@ in: `, `@@ anywhere` or `@@ before: `",
                    number + 1
                ),
            }
        } else if let Some(insertion) = insertions.last_mut() {
            insertion.lines.push(line);
        }
    }
    Ok(insertions)
}

fn insert(source: &str, insertion: &Insertion<'_>) -> Result<String> {
    let Insertion { file, within, before, lines } = insertion;
    let mut start = 0;
    if !within.is_empty() {
        // A declaration ends in a semicolon, the definition does not.
        let mut at = 0;
        let mut found = Vec::new();
        for line in source.split_inclusive('\n') {
            if line.starts_with(within) && !line.trim_end().ends_with(';') {
                found.push(at);
            }
            at += line.len();
        }
        ensure!(
            found.len() == 1,
            "{file}: `{within}` begins {} lines instead of one: QuickJS changed, look at {INSERTIONS}",
            found.len()
        );
        start = found[0];
    }
    let mut at = start;
    for line in source[start..].split_inclusive('\n') {
        if line.trim() == *before {
            let mut out = String::with_capacity(source.len() + 4096);
            out.push_str(&source[..at]);
            for line in lines {
                out.push_str(line);
                out.push('\n');
            }
            out.push_str(&source[at..]);
            return Ok(out);
        }
        at += line.len();
    }
    bail!("{file}: no line `{before}` after `{within}`: QuickJS changed, look at {INSERTIONS}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "int f(int a);\nint f(int a)\n{\n    a++;\n    return a;\n}\nint g(int a)\n{\n    a++;\n}\n";

    fn inserted(text: &str) -> Result<String> {
        insert(SOURCE, &parse(text)?[0])
    }

    #[test]
    fn inserts_before_the_anchor_of_the_right_function() {
        let text =
            inserted("about this file\n@@ file: a.c\n@@ in: int g(\n@@ before: a++;\n    a = 1;\n").expect("inserts");
        assert_eq!(text, SOURCE.replace("int g(int a)\n{\n", "int g(int a)\n{\n    a = 1;\n"));
    }

    #[test]
    fn fails_when_an_anchor_is_gone() {
        let error = |text: &str| inserted(text).expect_err("no such anchor").to_string();
        assert!(error("@@ file: a.c\n@@ in: int h(\n@@ before: a++;\nx\n").contains("begins 0 lines"));
        assert!(error("@@ file: a.c\n@@ in: int g(\n@@ before: b++;\nx\n").contains("no line `b++;`"));
        assert!(parse("@@ whatever\n").is_err());
    }
}
