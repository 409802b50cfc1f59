//! `belljar doctor`: what this machine offers, what is missing, and what that means.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use belljar::package::Engine;
use belljar::process_engine::{ControlGroups, LayerReport, UNSUPPORTED, control_groups};
use belljar::{Host, Limits};
use belljar_files::Sharing;
use serde_json::{Map, Value, json};

use crate::args::DoctorArgs;
use crate::exit_codes;
use crate::failure::{Failure, chain};
use crate::local;
use crate::terminal::{self, one_line};

/// Open files a host with many applets needs: each image is one, each connection another.
const OPEN_FILES_WANTED: u64 = 4_096;
/// Mappings a host with many applets needs: some per instance and image.
const MAPS_WANTED: u64 = 65_530;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Slower or smaller than it could be.
    Poor,
    /// Belljar does not work.
    Broken,
}

/// One line of the report.
#[derive(Debug)]
struct Finding {
    name: &'static str,
    state: State,
    value: Value,
    meaning: String,
}

/// Looks at the machine; exit code 1 when something that is needed is broken.
///
/// # Errors
/// When the answer cannot be written.
pub(crate) fn run(args: &DoctorArgs) -> Result<i32, Failure> {
    let findings = findings();
    let broken = findings.iter().any(|finding| finding.state == State::Broken);
    if args.json {
        let mut object = Map::new();
        object.insert("ok".into(), (!broken).into());
        for Finding { name, state, value, meaning } in &findings {
            let state = match state {
                State::Good => "good",
                State::Poor => "poor",
                State::Broken => "broken",
            };
            object.insert((*name).into(), json!({ "state": state, "value": value, "meaning": meaning }));
        }
        let text = Value::Object(object).to_string();
        terminal::stdout(format!("{}\n", terminal::json(&text)).as_bytes())?;
    } else {
        let mut text = String::new();
        for Finding { name, state, value, meaning } in &findings {
            let mark = match state {
                State::Good => "ok    ",
                State::Poor => "poor  ",
                State::Broken => "BROKEN",
            };
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let meaning = if meaning.is_empty() { String::new() } else { format!(" ({meaning})") };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{mark} {name:<16} {}", one_line(&format!("{value}{meaning}")));
        }
        terminal::stdout(text.as_bytes())?;
    }
    Ok(if broken { exit_codes::FAILED } else { exit_codes::OK })
}

fn findings() -> Vec<Finding> {
    let good = |name, value: Value, meaning: &str| Finding { name, state: State::Good, value, meaning: meaning.into() };
    let mut findings = vec![good("version", env!("CARGO_PKG_VERSION").into(), "")];
    let read =
        |path: &str| fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned());
    findings.push(platform());
    findings.push(good("kernel", read("/proc/sys/kernel/osrelease").into(), ""));
    match local::builder(Limits::default(), &[]).build() {
        Ok(host) => findings.extend(of_host(&host)),
        Err(error) => findings.push(Finding {
            name: "engine",
            state: State::Broken,
            value: chain(&error).into(),
            meaning: "no applet can run".into(),
        }),
    }
    match UNSUPPORTED {
        None => {
            findings.extend(runtimes());
            findings.extend(jail());
        }
        Some(why) => {
            findings.push(Finding { name: "processes", state: State::Poor, value: "none".into(), meaning: why.into() })
        }
    }
    findings.extend(cache());
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    findings.push(good("cpus", cpus.into(), "usable by this process"));
    let at_least = |name, value: Option<u64>, wanted: u64, meaning: &str| Finding {
        name,
        state: if value.is_none_or(|value| value >= wanted) { State::Good } else { State::Poor },
        value: value.map_or_else(|| "unlimited".into(), Value::from),
        meaning: meaning.into(),
    };
    let meaning = format!("open files; at least {OPEN_FILES_WANTED} for a host of many applets: `ulimit -n`");
    findings.push(at_least("open-files", open_files_max(), OPEN_FILES_WANTED, &meaning));
    if let Ok(maps) = read("/proc/sys/vm/max_map_count").parse() {
        let meaning = "memory mappings; they bound how many images stay mapped: `sysctl vm.max_map_count`";
        findings.push(at_least("map-count", Some(maps), MAPS_WANTED, meaning));
    }
    findings
}

/// The operating system, and what Belljar has on it.
fn platform() -> Finding {
    let (state, meaning) = match std::env::consts::OS {
        "linux" => (State::Good, ""),
        "windows" => (
            State::Poor,
            "type-checked, not tested: files are as private as the directory that they are in, and no process engines; run servers on Linux",
        ),
        _ => (State::Poor, "type-checked, not tested: no process engines; run servers on Linux"),
    };
    let value = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    Finding { name: "platform", state, value: value.into(), meaning: meaning.into() }
}

/// Files that this process may have open; `None` for as many as it likes.
#[cfg(unix)]
fn open_files_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
fn open_files_max() -> Option<u64> {
    None
}

fn of_host(host: &Host) -> Vec<Finding> {
    let (state, value, meaning) = if host.restores_dirty_pages_only() {
        (State::Good, "active", "a fresh instance restores only the pages that the last one changed")
    } else {
        (
            State::Poor,
            "not active",
            "needs Linux 6.7; a fresh instance maps its memory anew, and calls take about three times as long",
        )
    };
    let mut findings = vec![
        Finding {
            name: "engine",
            state: State::Good,
            value: host.engine_digest().to_hex().into(),
            meaning: "fuel is comparable under this digest only".into(),
        },
        Finding {
            name: "intl",
            state: State::Good,
            value: host.intl_version().into(),
            meaning: "what Intl answers belongs to this version".into(),
        },
        Finding {
            name: "components",
            state: State::Good,
            value: "belljar:component 0.1, WASI 0.2".into(),
            meaning: "engine component; WASI has no files, environment or sockets".into(),
        },
        Finding { name: "pagemap-scan", state, value: value.into(), meaning: meaning.into() },
    ];
    findings.extend(host.notes().iter().map(|note| Finding {
        name: "note",
        state: State::Poor,
        value: note.as_str().into(),
        meaning: String::new(),
    }));
    findings
}

/// What of the jail of processes can be had, layer by layer: each was tried.
fn jail() -> Vec<Finding> {
    let poor = |value: String| {
        let meaning = "applets in processes can do what this user can".to_owned();
        vec![Finding { name: "jail", state: State::Poor, value: value.into(), meaning }]
    };
    let Some(jail) = local::jail() else { return poor("this command's own file is not known".into()) };
    let report = match jail.probe() {
        Ok(report) => report,
        Err(error) => return poor(chain(&error)),
    };
    let mut findings: Vec<Finding> = report
        .layers
        .into_iter()
        .map(|LayerReport { layer, active, note }| Finding {
            name: layer.name(),
            state: if active { State::Good } else { State::Poor },
            value: if active { "active" } else { "not active" }.into(),
            meaning: format!("jail of processes{}{note}", if note.is_empty() { "" } else { ": " }),
        })
        .collect();
    let (state, value, meaning) = match control_groups() {
        ControlGroups::Usable { path, controllers } if controllers.is_empty() => {
            let meaning = format!(
                "{} hands no controllers on; watchdogs keep the limits of processes, ten times in a second",
                path.display()
            );
            (State::Poor, "not active".into(), meaning)
        }
        ControlGroups::Usable { path, controllers } => {
            (State::Good, controllers.join(" "), format!("cgroup v2 in {}: exact limits for processes", path.display()))
        }
        ControlGroups::ReadOnly { path } => (
            State::Poor,
            "not active".into(),
            format!(
                "{} may not be written; watchdogs keep the limits of processes, ten times in a second",
                path.display()
            ),
        ),
        ControlGroups::Absent => (
            State::Poor,
            "not active".into(),
            "there is no cgroup v2; watchdogs keep the limits of processes, ten times in a second".into(),
        ),
    };
    findings.push(Finding { name: "control-group", state, value: value.into(), meaning });
    findings
}

/// The engines of applets in processes.
fn runtimes() -> Vec<Finding> {
    let config = local::processes(std::env::temp_dir());
    let engines = [("bun", Engine::Bun), ("node", Engine::Node), ("deno", Engine::Deno)];
    let find = |engine| local::wait_for(belljar::engine_version(config.as_ref(), engine, None));
    let finding = |(name, engine)| match find(engine) {
        Ok(Ok(version)) => {
            let meaning = format!("runs applets with `engine: {name}`, in processes");
            Finding { name, state: State::Good, value: version.to_string().into(), meaning }
        }
        Ok(Err(_)) | Err(_) => Finding {
            name,
            // Nothing else needs it.
            state: State::Good,
            value: "none".into(),
            meaning: format!(
                "applets with `engine: {name}` do not run: `cargo xtask setup --runtimes`, or put it on PATH"
            ),
        },
    };
    engines.into_iter().map(finding).collect()
}

/// Where caches are, whether they are private, and where the key lies that they are checked with.
fn cache() -> Vec<Finding> {
    let Some(dir) = local::cache_dir() else {
        return vec![Finding {
            name: "cache",
            state: State::Poor,
            value: "none".into(),
            meaning: "every start compiles the engine, which takes seconds: set BELLJAR_CACHE or HOME".into(),
        }];
    };
    let private = |path: &Path| fs::symlink_metadata(path).map(|metadata| Sharing::of(&metadata).is_private());
    let finding = |name, path: &Path, what: &str| {
        let (state, meaning) = match private(path) {
            Ok(true) => (State::Good, format!("{what}; private")),
            Ok(false) => (
                State::Broken,
                format!("{what}; NOT private: it must be yours alone, `chmod -R go= {}`", dir.display()),
            ),
            Err(error) => (State::Poor, format!("{what}; {error}")),
        };
        Finding { name, state, value: path.to_string_lossy().into(), meaning }
    };
    vec![
        finding("cache", &dir, "machine code and images"),
        finding("cache-key", &dir.join("key"), "what is cached is trusted only with a checksum made with this key"),
    ]
}
