//! The globals and members of WinterTC's Minimum Common Web API: `wintertc.js` says which are there and work.

use anyhow::{Result, ensure};
use belljar_conformance::{End, Listed, Program, Ran};
use serde::{Deserialize, Serialize};

use crate::cases::listed;
use crate::options::Options;

use crate::results::{self, Verdict};
use crate::sandbox;

const PROBE: &str = include_str!("../wintertc.js");
/// Each entry waits 3 s at most; most take none.
const DEADLINE_MS: u64 = 120_000;

/// What the probe found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) engine: String,
    pub(crate) entries: Vec<Entry>,
}

/// One interface or global.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) state: State,
    /// What is wrong with it.
    pub(crate) note: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Ok,
    Partial,
    Missing,
}

/// Runs the probe.
///
/// # Errors
/// When the run itself fails.
pub(crate) fn run(options: &Options) -> Result<Verdict> {
    let expected = listed(&options.folder().join("wintertc-expected.txt"))?;
    let sandbox = sandbox::new()?;
    let program = Program {
        is_module: false,
        name: "wintertc.js".into(),
        source: PROBE.into(),
        folder: options.folder(),
        extra: None,
    };
    let ran = sandbox.run(&sandbox::runtime()?, &program, sandbox::limits(DEADLINE_MS));
    let report = Report { engine: sandbox.host().engine_digest().to_hex(), entries: entries(&ran)? };
    if options.is_whole() {
        results::keep("wintertc", &report)?;
    }
    let passed = report.entries.iter().filter(|entry| entry.state == State::Ok).count();
    eprintln!("conformance: wintertc: {passed} of {} entries", report.entries.len());
    Ok(Verdict::of("wintertc", &complaints(&report.entries, &expected)))
}

/// What the probe has printed.
fn entries(ran: &Ran) -> Result<Vec<Entry>> {
    ensure!(ran.end == End::Completed, "the probe did not come to its end: {:?}", ran.end);
    let entries: Vec<Entry> = ran
        .lines
        .iter()
        .filter_map(|line| line.strip_prefix("@@ENTRY "))
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let end = ran.lines.iter().find_map(|line| line.strip_prefix("@@END "));
    ensure!(
        end == Some(entries.len().to_string().as_str()),
        "the probe told of {} entries, then {end:?}",
        entries.len()
    );
    Ok(entries)
}

fn complaints(entries: &[Entry], expected: &Listed) -> Vec<String> {
    let mut complaints = Vec::new();
    for entry in entries {
        match (entry.state, expected.reason(&entry.name)) {
            (State::Ok, Some(_)) => {
                complaints
                    .push(format!("{} passes, and is listed as an expected failure: take it off the list", entry.name));
            }
            (State::Partial | State::Missing, None) => {
                complaints.push(format!("{} fails unexpectedly: {:?} {}", entry.name, entry.state, entry.note));
            }
            _ => {}
        }
    }
    let gone = expected.names().filter(|name| !entries.iter().any(|entry| entry.name == **name));
    complaints.extend(gone.map(|name| format!("{name} is listed as an expected failure, and there is no such entry")));
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(lines: &[&str]) -> Ran {
        Ran { lines: lines.iter().map(|line| (*line).to_owned()).collect(), end: End::Completed }
    }

    #[test]
    fn a_probe_that_stops_midway_is_an_error() {
        let entry = r#"@@ENTRY {"name":"URL","state":"ok","note":""}"#;
        assert_eq!(entries(&ran(&[entry, "@@END 1"])).expect("it is whole").len(), 1);
        assert!(entries(&ran(&[entry])).is_err());
        assert!(entries(&ran(&[entry, "@@END 2"])).is_err());
    }

    #[test]
    fn what_is_listed_must_fail_and_nothing_else() {
        let entry = |name: &str, state| Entry { name: name.into(), state, note: String::new() };
        let entries = [entry("URL", State::Ok), entry("CryptoKey", State::Partial), entry("fetch", State::Missing)];
        let file = tempfile::NamedTempFile::new().expect("a file");
        let complaints = |list: &str| {
            std::fs::write(file.path(), list).expect("writes");
            complaints(&entries, &listed(file.path()).expect("it is sound")).len()
        };
        assert_eq!(complaints("CryptoKey r\nfetch r"), 0);
        assert_eq!(complaints("CryptoKey r"), 1);
        assert_eq!(complaints("CryptoKey r\nfetch r\nURL r"), 1);
        assert_eq!(complaints("CryptoKey r\nfetch r\nWeb r"), 1);
    }
}
