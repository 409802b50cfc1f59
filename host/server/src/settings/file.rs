//! The settings file: TOML whose keys are settings and nothing else. Every error has its line and column.

use std::path::Path;

use toml::de::DeTable;

use super::kind::Given;
use super::{Setting, Settings, TABLE};

/// Reads `text` into `settings`. Answers which were set; `path` is for messages.
///
/// # Errors
/// All that is wrong, each as `FILE:LINE:COLUMN: …`.
pub(super) fn read(settings: &mut Settings, path: &Path, text: &str) -> Result<Vec<&'static str>, Vec<String>> {
    let place = |at: usize| {
        let (line, column) = position(text, at);
        format!("{}:{line}:{column}", path.display())
    };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        vec![format!("{}: this is not TOML: {}", place(at), error.message())]
    })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let (mut set, mut problems) = (Vec::new(), Vec::new());
    for (key, value) in table.get_ref() {
        let Some(setting) = Setting::named(key.get_ref()) else {
            problems.push((key.span().start, format!("unknown setting {:?}; {}", key.get_ref(), hint(key.get_ref()))));
            continue;
        };
        match settings.set(setting, &Given::Toml(value.get_ref(), &folder)) {
            Ok(()) => set.push(setting.name),
            Err(problem) => problems.push((value.span().start, format!("{} {problem}", setting.name))),
        }
    }
    problems.sort();
    let problems: Vec<_> = problems.into_iter().map(|(at, problem)| format!("{}: {problem}", place(at))).collect();
    if problems.is_empty() { Ok(set) } else { Err(problems) }
}

/// What to do about an unknown name.
pub(super) fn hint(name: &str) -> String {
    let plain = name.replace('-', "_").to_ascii_lowercase();
    let nearest = TABLE.iter().map(|setting| (distance(&plain, setting.name), setting.name)).min();
    match nearest {
        Some((steps, nearest)) if steps <= 1 + plain.len() / 4 => format!("did you mean {nearest:?}?"),
        _ => "`belljar serve --help` lists all of them".to_owned(),
    }
}

/// Line and column, from 1, of the byte at `at`.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at.min(text.len()))];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// Letters to change, add or leave out to make one name of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (at, candidate) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *candidate);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let mut settings = Settings::default();
        let problems = read(&mut settings, Path::new("belljar.toml"), text).expect_err("it has errors");
        assert_eq!(problems, expected, "{text}");
    }

    #[test]
    fn errors_have_their_place_and_say_what_to_do() {
        check(
            "listen = 80\nlisten_ = \"a\"\n\n  gracems = 1\n",
            &[
                "belljar.toml:1:10: listen is a TOML integer, not a string: put it in quotes",
                "belljar.toml:2:1: unknown setting \"listen_\"; did you mean \"listen\"?",
                "belljar.toml:4:3: unknown setting \"gracems\"; did you mean \"grace_ms\"?",
            ],
        );
        check(
            "[server]\nlisten = \"a\"\n",
            &["belljar.toml:1:2: unknown setting \"server\"; `belljar serve --help` lists all of them"],
        );
        check("headers_max = 5\n", &["belljar.toml:1:15: headers_max is 5: it goes from 8 to 1000"]);
        check("audit = \"maybe\"\n", &["belljar.toml:1:9: audit is \"maybe\", not true or false"]);
        check(
            "outbound_test_hosts = \"a\"\n",
            &["belljar.toml:1:23: outbound_test_hosts is a TOML string, not an array: put it in brackets"],
        );
        let mut settings = Settings::default();
        let broken = read(&mut settings, Path::new("b.toml"), "listen = \n").expect_err("no TOML");
        assert!(broken[0].starts_with("b.toml:1:") && broken[0].contains("not TOML"), "{broken:?}");
    }

    #[test]
    fn values_are_taken_and_paths_are_beside_the_file() {
        let mut settings = Settings::default();
        let text = "grace_ms = 1_500\ntls_cert_file = \"cert.pem\"\ntls_key_file = \"/k.pem\"\naudit = false\n\
                    trusted_proxies = [\"10.0.0.0/8\"]\notlp_sample_ratio = 0.5\nheader_bytes_max = 0x10000\n";
        let set = read(&mut settings, Path::new("/etc/belljar/belljar.toml"), text).expect("it is right");
        assert_eq!(set.len(), 7);
        assert_eq!((settings.grace_ms, settings.audit, settings.header_bytes_max), (1_500, false, 65_536));
        assert_eq!(settings.tls_cert_file.as_deref(), Some(Path::new("/etc/belljar/cert.pem")));
        assert_eq!(settings.tls_key_file.as_deref(), Some(Path::new("/k.pem")));
        assert!((settings.otlp_sample_ratio - 0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn distances_are_small_for_what_is_alike() {
        assert_eq!((distance("listen", "listen"), distance("lisen", "listen"), distance("", "abc")), (0, 1, 3));
    }
}
