//! `belljar replay`: recorded invocations again, offline. Recordings are spread over the processors; what is told of them keeps their order.

mod present;
mod releases;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use belljar::{Comparison, Host, Limits, Recording, RecordingKey, Replay};
use serde_json::json;

use self::releases::{Releases, Which};
use crate::args::replay::ReplayArgs;
use crate::exit_codes;
use crate::failure::{Failure, chain};
use crate::{files, local, terminal};

/// Bytes of a file.
const RECORDING_BYTES_MAX: u64 = 256 << 20;
/// Bytes of a file with a key.
const KEY_BYTES_MAX: u64 = 1 << 10;

/// What came of one recording.
pub(crate) enum Done {
    Replayed { recording: Box<Recording>, replay: Replay, sources: crate::sources::Sources },
    Compared { recording: Box<Recording>, comparison: Comparison },
    Failed(Failure),
}

/// Replays; the exit code says whether all were equal.
///
/// # Errors
/// When nothing can be replayed at all.
pub(crate) fn run(args: &ReplayArgs) -> Result<i32, Failure> {
    let key = args.key_file.as_deref().map(key).transpose()?;
    let paths = listed(&args.files)?;
    if args.fixture {
        return fixture(&paths, key.as_ref());
    }
    if args.show {
        return show(&paths, key.as_ref());
    }
    let releases = Releases::new(args)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(paths.len());
    let host = local::builder(Limits::default(), &[]).instances_max(u32::try_from(threads).unwrap_or(1) + 1).build()?;
    let done = all(threads, &paths, |path| {
        one(&host, &releases, path, key.as_ref(), args.until_fuel)
            .unwrap_or_else(|failure| Done::Failed(in_file(path, failure)))
    })?;
    let counts = present::Counts::of(&done);
    if args.json {
        let recordings: Vec<_> = paths.iter().zip(&done).map(|(path, done)| present::json(path, done)).collect();
        let object = json!({ "ok": counts.is_equal(), "counts": counts.json(), "engine": host.engine_digest().to_hex(), "recordings": recordings });
        terminal::stdout(format!("{object}\n").as_bytes())?;
    } else {
        let paint = terminal::stderr_paint();
        for (path, done) in paths.iter().zip(&done) {
            // Of many, only what is not as it should be.
            if paths.len() == 1 || !present::is_equal(done) {
                terminal::stdout(present::text(path, done, paint).as_bytes())?;
            }
        }
        if paths.len() > 1 {
            terminal::stdout(counts.text().as_bytes())?;
        }
    }
    Ok(counts.exit_code())
}

/// A failure that names the file.
fn in_file(path: &Path, failure: Failure) -> Failure {
    Failure { message: format!("{}: {}", path.display(), failure.message), ..failure }
}

fn one(
    host: &Host,
    releases: &Releases,
    path: &Path,
    key: Option<&RecordingKey>,
    until_fuel: Option<u64>,
) -> Result<Done, Failure> {
    let recording = Box::new(read(path, key)?);
    let failed = |error: belljar::ReplayError| Failure::new("replay", chain(&error));
    Ok(match releases.of(&recording)? {
        Which::Against(release) => {
            let comparison = local::wait_for(host.replay_against(release, &recording))?.map_err(failed)?;
            Done::Compared { recording, comparison }
        }
        Which::Recorded(release) => {
            let replay = local::wait_for(host.replay(&release, &recording, until_fuel))?.map_err(failed)?;
            Done::Replayed {
                recording,
                replay,
                sources: crate::sources::Sources::of_map(&release.package().source_map),
            }
        }
        Which::Program => {
            let replay = local::wait_for(host.replay_program(&recording, until_fuel))?.map_err(failed)?;
            Done::Replayed { recording, replay, sources: crate::sources::Sources::default() }
        }
    })
}

/// Prints what tests need of a recording.
fn fixture(paths: &[PathBuf], key: Option<&RecordingKey>) -> Result<i32, Failure> {
    let [path] = paths else {
        return Err(Failure::usage(format!("--fixture is of one recording, and these are {}", paths.len())));
    };
    let recording = read(path, key).map_err(|failure| in_file(path, failure))?;
    let fixture = recording.fixture().map_err(|error| in_file(path, Failure::new("replay", chain(&error))))?;
    terminal::stdout(format!("{fixture:#}\n").as_bytes())?;
    Ok(exit_codes::OK)
}

/// Prints calls.
fn show(paths: &[PathBuf], key: Option<&RecordingKey>) -> Result<i32, Failure> {
    for path in paths {
        let recording = read(path, key).map_err(|failure| in_file(path, failure))?;
        let mut text = present::head(&recording);
        for call in recording.calls() {
            text.push_str(&format!("  {}\n", terminal::one_line(&call)));
        }
        terminal::stdout(text.as_bytes())?;
    }
    Ok(exit_codes::OK)
}

fn read(path: &Path, key: Option<&RecordingKey>) -> Result<Recording, Failure> {
    let bytes = files::read(path, RECORDING_BYTES_MAX)?;
    Recording::decode(&bytes, key).map_err(|error| {
        let failure = Failure::new("recording", error.to_string());
        match error {
            belljar::RecordingError::NoKey => failure.hint("name a file that has it with --key-file"),
            _ => failure,
        }
    })
}

fn key(path: &Path) -> Result<RecordingKey, Failure> {
    let text = files::text(files::read(path, KEY_BYTES_MAX)?, &path.display().to_string())?;
    RecordingKey::parse(&text).map_err(|error| Failure::usage(error.to_string()))
}

/// Files as they are named, and the recordings of folders by their names: they begin with the time.
fn listed(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::new();
    for path in given {
        if !path.is_dir() {
            paths.push(path.clone());
            continue;
        }
        let unreadable =
            |error: std::io::Error| Failure::new("unreadable", format!("{} cannot be read: {error}", path.display()));
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?.path();
            if entry.extension().is_some_and(|extension| extension == "recording") {
                inside.push(entry);
            }
        }
        if inside.is_empty() {
            return Err(Failure::new("unreadable", format!("there is no recording in {}", path.display()))
                .hint("the names of recordings end in .recording"));
        }
        inside.sort();
        paths.append(&mut inside);
    }
    Ok(paths)
}

/// Does it to all, on some threads; answers in their order.
fn all(threads: usize, paths: &[PathBuf], work: impl Fn(&Path) -> Done + Sync) -> Result<Vec<Done>, Failure> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(paths.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((index, path)) = paths.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed)) {
                    let one = work(path);
                    if let Ok(mut done) = done.lock() {
                        done.push((index, one));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().map_err(|_| Failure::new("replay", "a thread has failed"))?;
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, done)| done).collect())
}
