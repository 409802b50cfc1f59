//! From a test of web-platform-tests to one program: what stands before, testharness.js, what reports, the scripts that the test names,
//! the test. The same text runs in the sandbox and in any other engine with its globals.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::json;

use crate::program;

const BEFORE: &str = include_str!("before.js");
const AFTER: &str = include_str!("after.js");
/// Files that tests read; larger ones are not given to them.
const DATA: [&str; 5] = [".json", ".idl", ".txt", ".text", ".html"];
const DATA_BYTES_MAX: u64 = 4 << 20;

/// Lines `// META: name=value` of a test.
///
/// ```
/// let scripts: Vec<_> = belljar_conformance::wpt::meta("// META: script=/common/a.js\n", "script").collect();
/// assert_eq!(scripts, ["/common/a.js"]);
/// ```
pub fn meta<'a>(source: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    source.lines().filter_map(move |line| {
        let rest = line.strip_prefix("//")?.trim_start().strip_prefix("META:")?.trim_start();
        Some(rest.strip_prefix(name)?.strip_prefix('=')?.trim())
    })
}

/// The program for one variant of a test: `harness` is the text of testharness.js, `name` the test's path in the checkout `root`.
pub fn program(root: &Path, harness: &str, name: &str, variant: &str, source: &str) -> String {
    let mut body = String::new();
    for script in meta(source, "script") {
        let path = resolve(root, name, script);
        // A script that is not there is missed by the test, not by the run.
        if let Ok(text) = program::read(&root.join(&path)) {
            body += &format!("\n// {path}\n{text}\n;\n");
        }
    }
    body += source;
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let page = json!({
        "href": format!("https://web-platform.test/{}{variant}", name.replace(".any.js", ".any.html")),
        "search": variant,
        "folder": folder,
        "files": files(root, name, &body),
    });
    // JSON may hold line separators, which are line ends in older JavaScript.
    let page = page.to_string().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    let before = BEFORE.replace("PAGE);", &format!("{page});"));
    format!("{before}\n{harness}\n{AFTER}\n{body}\n")
}

/// The checkout's path of what a test names.
fn resolve(root: &Path, name: &str, reference: &str) -> String {
    let reference = reference.split('?').next().unwrap_or_default();
    let mut parts: Vec<&str> = if reference.starts_with('/') { Vec::new() } else { name.split('/').collect() };
    parts.pop();
    for part in reference.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    // The server gives this one from elsewhere.
    if path == "resources/WebIDLParser.js" && !root.join(&path).exists() {
        return "resources/webidl2/lib/webidl2.js".into();
    }
    path
}

/// Files that a text names literally.
fn files(root: &Path, name: &str, body: &str) -> BTreeMap<String, String> {
    let mut wanted: BTreeSet<String> =
        literals(body).filter(|text| DATA.iter().any(|end| text.ends_with(end))).map(str::to_owned).collect();
    if body.contains("idl_test") {
        // idlharness reads the interfaces that are named without their path.
        wanted.extend(literals(body).filter(|text| !text.contains('/')).map(|text| format!("/interfaces/{text}.idl")));
    }
    let mut files = BTreeMap::new();
    for reference in wanted {
        let path = resolve(root, name, &reference);
        let file = root.join(&path);
        let is_small = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= DATA_BYTES_MAX);
        if let (true, Ok(text)) = (is_small, program::read(&file)) {
            files.insert(path, text);
        }
    }
    files
}

/// What stands between quotes, without white space in it. It may find more than there is, never less.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(['"', '\'', '`']).filter_map(|(at, quote)| {
        let rest = &text[at + 1..];
        let end = rest.find(|c: char| c.is_whitespace() || "\"'`".contains(c))?;
        (end > 0 && rest[end..].starts_with(quote)).then(|| &rest[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_lines_are_read() {
        let source = "// META: title=x\n// META: script=/common/a.js\n//META: script=b.js\n// META: scripted=c\n";
        assert_eq!(meta(source, "script").collect::<Vec<_>>(), ["/common/a.js", "b.js"]);
    }

    #[test]
    fn a_page_has_scripts_and_data() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes folders");
            std::fs::write(path, text).expect("writes");
        };
        write("url/resources/data.json", "[\u{2028}]");
        write("common/a.js", "COMMON");
        let source = "// META: script=/common/a.js\nfetch(\"resources/data.json\"); fetch('gone.json')";
        let program = program(root.path(), "HARNESS", "url/x.any.js", "?v", source);
        let places =
            ["\"url/resources/data.json\":\"[\\u2028]\"", "HARNESS", "add_completion_callback", "COMMON", source];
        let found: Vec<_> = places.iter().map(|text| program.find(text).unwrap_or_else(|| panic!("{text}"))).collect();
        assert!(found.is_sorted(), "{found:?}");
        assert!(program.contains("https://web-platform.test/url/x.any.html?v"));
    }
}
