//! `docs/compat.md`, written from the results in the cache folder. It has no date, so that the same results give the same text; every figure
//! says what it is a part of.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;

use crate::options::Options;
use crate::{native, npm, results, sandbox, test262, wintertc, wpt};

/// Rows of one table of failures; the rest is counted.
const ROWS_MAX: usize = 400;

/// Writes the document.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(options: &Options) -> Result<()> {
    let engine = sandbox::new()?.host().engine_digest().to_hex();
    let path = options.repository.join("docs/compat.md");
    results::write(&path, document(&engine).as_bytes())?;
    eprintln!("conformance: wrote {}", path.display());
    Ok(())
}

/// Part of a whole, in per cent with two decimals, rounded down: only all of it is 100 %.
pub(crate) fn percent(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "none".into();
    }
    let hundredths = part as u128 * 10_000 / whole as u128;
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

/// A count with commas.
fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn document(engine: &str) -> String {
    let test262: Option<test262::Report> = results::kept("test262");
    let wpt: Option<wpt::Report> = results::kept("wpt");
    let wintertc: Option<wintertc::Report> = results::kept("wintertc");
    let npm: Option<npm::Report> = results::kept("npm");
    let mut text = String::from(
        "# What runs: compatibility, measured\n\n\
         Written by `cargo xtask conformance all`; do not edit. Each suite runs in the sandbox through the public API, a fresh instance for\n\
         each program. What counts is what a reference passes in the same run, under the same runner: native QuickJS (test262) or Node\n\
         (web-platform-tests, npm packages). Failures are listed with a reason in `tests/conformance`, and a listed failure that passes is an\n\
         error of the run.\n\n",
    );
    let _ = writeln!(text, "Engine digest: `{engine}`.\n");
    text += &summary(test262.as_ref(), wpt.as_ref(), wintertc.as_ref(), npm.as_ref());
    let section = |text: &mut String, title: &str, of: Option<&str>, body: Option<String>| {
        let _ = write!(text, "\n## {title}\n\n");
        if let Some(of) = of.filter(|of| *of != engine) {
            let _ = write!(text, "*Measured with another engine, `{of}`.*\n\n");
        }
        *text += &body.unwrap_or_else(|| "Not run on the machine that wrote this.\n".into());
    };
    let of = |engine: &String| engine.clone();
    section(
        &mut text,
        "WinterTC Minimum Common Web API",
        wintertc.as_ref().map(|r| of(&r.engine)).as_deref(),
        wintertc.as_ref().map(of_wintertc),
    );
    section(
        &mut text,
        "ECMAScript: test262",
        test262.as_ref().map(|r| of(&r.engine)).as_deref(),
        test262.as_ref().map(of_test262),
    );
    section(
        &mut text,
        "Web platform: web-platform-tests",
        wpt.as_ref().map(|r| of(&r.engine)).as_deref(),
        wpt.as_ref().map(of_wpt),
    );
    section(&mut text, "npm packages", npm.as_ref().map(|r| of(&r.engine)).as_deref(), npm.as_ref().map(of_npm));
    text
}

fn summary(
    test262: Option<&test262::Report>,
    wpt: Option<&wpt::Report>,
    wintertc: Option<&wintertc::Report>,
    npm: Option<&npm::Report>,
) -> String {
    let mut text = String::from("| suite | passed | of | |\n|---|---:|---:|---:|\n");
    let mut row = |name: &str, passed: usize, of: usize, what: &str| {
        let _ = writeln!(text, "| {name} | {} | {} {what} | {} |", count(passed), count(of), percent(passed, of));
    };
    if let Some(report) = wintertc {
        let passed = report.entries.iter().filter(|entry| entry.state == wintertc::State::Ok).count();
        row("WinterTC", passed, report.entries.len(), "interfaces and globals (all but WebAssembly)");
    }
    if let Some(report) = test262 {
        let total = report.total();
        row("test262", total.both, total.native, "files that native QuickJS passes");
    }
    if let Some(report) = wpt {
        let total = report.total();
        row("web-platform-tests", total.both, total.node, "subtests that Node passes (WebCryptoAPI apart)");
        if let Some(apart) = report.areas.get(wpt::APART) {
            row("web-platform-tests, WebCryptoAPI", apart.both, apart.node, "subtests that Node passes");
        }
    }
    if let Some(report) = npm {
        row(
            "npm packages",
            report.passed(),
            report.packages.len(),
            "packages whose script prints what it prints in Node",
        );
    }
    text
}

fn of_wintertc(report: &wintertc::Report) -> String {
    let mut text = format!(
        "{} entries: each interface and each global of the specification's lists, with its members and a use of it\n\
         (`tests/conformance/wintertc.js`). `WebAssembly.*` is left out: the engine is WebAssembly itself.\n\n",
        report.entries.len()
    );
    let failing: Vec<_> = report.entries.iter().filter(|entry| entry.state != wintertc::State::Ok).collect();
    if failing.is_empty() {
        text += "Nothing is missing.\n";
    } else {
        text += "| not there, or not all of it | |\n|---|---|\n";
        for entry in failing {
            let state = if entry.state == wintertc::State::Missing { "missing" } else { "partial" };
            let _ = writeln!(
                text,
                "| `{}` | {state}{}{} |",
                entry.name,
                if entry.note.is_empty() { "" } else { ": " },
                cell(&entry.note)
            );
        }
    }
    text
}

fn of_test262(report: &test262::Report) -> String {
    let total = report.total();
    let mut text = format!(
        "Checkout `{}` (by content): {} files, {} programs (sloppy and strict, modules). The reference is {}\n\
         (native, the same quickjs-ng). A file passes when it passes in all of its modes.\n\n\
         | area | files | skipped | need `$262`'s host | run | native passes | Belljar passes of these | | ended by a limit |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        report.corpus,
        count(total.files),
        count(report.programs),
        native::VERSION.split(',').next().unwrap_or_default(),
    );
    let mut row = |name: &str, area: &test262::Area| {
        let run = area.files - area.skipped - area.no_host;
        let cells = [area.files, area.skipped, area.no_host, run, area.native, area.both].map(count).join(" | ");
        let _ = writeln!(text, "| {name} | {cells} | {} | {} |", percent(area.both, area.native), area.limited);
    };
    report.areas.iter().for_each(|(name, area)| row(name, area));
    row("**all**", &total);
    let _ = write!(
        text,
        "\nIn all, Belljar passes {} of {} files run; crashes (a trap, a panic, a fault of the host): {} in Belljar, {} in native QuickJS.\n\
         intl402 is not run: native QuickJS has no Intl to compare with.\n",
        count(total.sandbox),
        count(total.files - total.skipped - total.no_host),
        report.crashed.len(),
        report.native_crashed.len()
    );
    let counts = |counts: &BTreeMap<String, usize>| {
        let parts: Vec<_> = counts.iter().map(|(name, n)| format!("{name} ({})", count(*n))).collect();
        parts.join(", ")
    };
    let _ = write!(
        text,
        "\nSkipped, by feature (reasons in `host/conformance/src/test262/skip.txt`): {}.\n",
        counts(&report.skipped)
    );
    let _ = write!(
        text,
        "\nCounted apart, because they need a part of `$262` that neither runner has: {}.\n\n",
        counts(&report.no_host)
    );
    let failing = report
        .failing
        .iter()
        .map(|one| [one.test.as_str(), one.what.as_str(), one.reason.as_deref().unwrap_or("NOT EXPECTED")]);
    text + &failures("Native passes, Belljar does not", failing.collect())
}

fn of_wpt(report: &wpt::Report) -> String {
    let total = report.total();
    let mut text = format!(
        "Checkout `{}` (by content): the parts that need no server, `.any.js` files in each of their variants, the same program in both.\n\
         The reference is Node {}. The total leaves out WebCryptoAPI, which is an issue of its own.\n\n\
         | area | tests | subtests in Node | Node passes | Belljar passes of these | | Belljar passes | of those it runs |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
        report.corpus, report.node
    );
    let mut row = |name: &str, area: &wpt::Area| {
        let cells = [area.tests, area.node_run, area.node, area.both].map(count).join(" | ");
        let ours = [area.sandbox, area.sandbox_run].map(count).join(" | ");
        let _ = writeln!(text, "| {name} | {cells} | {} | {ours} |", percent(area.both, area.node));
    };
    report.areas.iter().for_each(|(name, area)| row(name, area));
    row("**all** but WebCryptoAPI", &total);
    let _ = write!(
        text,
        "\nCrashes: {}. Not run, by reason (`host/conformance/src/wpt/skip.txt`; files):\n\n",
        report.crashed.len()
    );
    for (reason, n) in &report.skipped {
        let _ = writeln!(text, "* {}: {reason}", count(*n));
    }
    text.push('\n');
    // By test and reason: subtests are too many.
    let mut groups: BTreeMap<(&str, &str), (usize, &str)> = BTreeMap::new();
    for one in report.failing.iter().filter(|one| !one.test.starts_with(wpt::APART)) {
        let key = (one.test.as_str(), one.reason.as_deref().unwrap_or("NOT EXPECTED"));
        groups.entry(key).or_insert((0, one.what.as_str())).0 += 1;
    }
    let texts: Vec<_> =
        groups.iter().map(|((test, reason), (n, what))| (*test, format!("{n}, the first: {what}"), *reason)).collect();
    let rows = texts.iter().map(|(test, what, reason)| [*test, what.as_str(), *reason]).collect();
    text + &failures("Node passes, Belljar does not (subtests)", rows)
}

fn of_npm(report: &npm::Report) -> String {
    let mut text = format!(
        "{} packages of `tests/conformance/npm`, each with a script that uses it: built as an applet, run in the sandbox and in Node {};\n\
         what is printed must be the same.\n\n",
        report.packages.len(),
        report.node
    );
    let names = |passed: bool| {
        let names = report.packages.iter().filter(|one| one.problem.is_none() == passed);
        let versioned = |one: &npm::Package| {
            if one.version.is_empty() { one.name.clone() } else { format!("{} {}", one.name, one.version) }
        };
        names.map(versioned).collect::<Vec<_>>().join(", ")
    };
    let _ = write!(text, "Same output: {}.\n\n", names(true));
    let failing = report.packages.iter().filter_map(|one| {
        Some([one.name.as_str(), one.problem.as_deref()?, one.reason.as_deref().unwrap_or("NOT EXPECTED")])
    });
    text + &failures("Other output, or none", failing.collect())
}

/// A table of what fails.
fn failures(title: &str, rows: Vec<[&str; 3]>) -> String {
    if rows.is_empty() {
        return format!("{title}: nothing.\n");
    }
    let mut text = format!("| {title} | what happens | why |\n|---|---|---|\n");
    for [name, what, why] in rows.iter().take(ROWS_MAX) {
        let _ = writeln!(text, "| {} | {} | {} |", cell(name), cell(what), cell(why));
    }
    if rows.len() > ROWS_MAX {
        let _ = writeln!(text, "\n… and {} more.", rows.len() - ROWS_MAX);
    }
    text
}

/// Text for a cell of a table: one line, ASCII, nothing that Markdown or HTML would take for its own.
fn cell(text: &str) -> String {
    let mut cell = String::new();
    for c in text.chars().take(160) {
        match c {
            '|' | '<' | '>' | '*' | '_' | '`' | '[' | ']' | '\\' => cell.extend(['\\', c]),
            ' '..='~' => cell.push(c),
            c => cell.extend(c.escape_unicode()),
        }
    }
    cell.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_down() {
        assert_eq!(percent(9_999, 10_000), "99.99 %");
        assert_eq!(percent(99_999, 100_000), "99.99 %");
        assert_eq!(percent(1, 1), "100.00 %");
        assert_eq!(percent(0, 0), "none");
        assert_eq!((count(7), count(1_234), count(1_234_567)), ("7".into(), "1,234".into(), "1,234,567".into()));
    }

    #[test]
    fn a_cell_is_one_line_of_plain_text() {
        assert_eq!(cell("a|b\n<c>"), "a\\|b\\u{a}\\<c\\>");
    }
}
