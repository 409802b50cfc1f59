//! Tells when a file of the applet has changed: its folder and everything below but what tools keep there, and files elsewhere that the last
//! build has read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use notify::event::{EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use crate::failure::Failure;

/// A save is over when nothing has come for this long,
const QUIET: Duration = Duration::from_millis(8);
/// or after this long.
const QUIET_MAX: Duration = Duration::from_millis(60);
/// Folders that are watched.
const FOLDERS_MAX: usize = 10_000;
/// Folders that hold no sources.
const NOT_SOURCES: [&str; 4] = ["node_modules", ".git", ".belljar", "target"];

/// Watches.
pub(crate) struct Watch {
    root: PathBuf,
    watcher: RecommendedWatcher,
    events: Receiver<notify::Result<Event>>,
    watched: HashSet<PathBuf>,
}

impl Watch {
    /// Begins to watch a folder.
    ///
    /// # Errors
    /// When it is none, or cannot be watched.
    pub(crate) fn start(folder: &Path) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new("watch", format!("{} cannot be watched: {error}", folder.display()))
        };
        let root = folder.canonicalize().map_err(|error| failed(&error))?;
        let (sender, events) = channel();
        let watcher = notify::recommended_watcher(move |event| {
            // The other side may have ended.
            let _ = sender.send(event);
        });
        let mut watch =
            Self { root, watcher: watcher.map_err(|error| failed(&error))?, events, watched: HashSet::new() };
        watch.folders(&[]);
        if watch.watched.is_empty() {
            return Err(failed(&"it cannot be listed, or there are too many watches (fs.inotify.max_user_watches)"));
        }
        Ok(watch)
    }

    /// Watches the folders that there are now, and those of `inputs`.
    pub(crate) fn folders(&mut self, inputs: &[PathBuf]) {
        let mut waiting = vec![self.root.clone()];
        while let Some(folder) = waiting.pop() {
            self.add(&folder);
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let is_source = entry.file_name().to_str().is_none_or(|name| !NOT_SOURCES.contains(&name));
                if is_source && entry.file_type().is_ok_and(|kind| kind.is_dir()) && waiting.len() < FOLDERS_MAX {
                    waiting.push(entry.path());
                }
            }
        }
        for input in inputs {
            if let Some(folder) = input.parent().filter(|folder| !folder.starts_with(&self.root) || folder.exists()) {
                self.add(&folder.to_owned());
            }
        }
        let own = self.root.join(".belljar");
        if own.is_dir() {
            self.add(&own);
        }
    }

    fn add(&mut self, folder: &PathBuf) {
        if self.watched.len() < FOLDERS_MAX
            && !self.watched.contains(folder)
            && self.watcher.watch(folder, RecursiveMode::NonRecursive).is_ok()
        {
            self.watched.insert(folder.clone());
        }
    }

    /// Waits until something has changed. Answers when the change began; `None` when nothing can come any more.
    pub(crate) fn changed(&mut self) -> Option<Instant> {
        loop {
            let event = self.events.recv().ok()?;
            if !self.matters(&event) {
                continue;
            }
            let begun = Instant::now();
            while begun.elapsed() < QUIET_MAX {
                match self.events.recv_timeout(QUIET) {
                    Ok(_) => {}
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return None,
                }
            }
            return Some(begun);
        }
    }

    /// Whether an event is of a file that a build could read.
    fn matters(&mut self, event: &notify::Result<Event>) -> bool {
        // Events were lost: anything may have changed.
        let Ok(event) = event else { return true };
        if matches!(event.kind, EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_))) {
            return false;
        }
        if matches!(event.kind, EventKind::Remove(_)) {
            for path in &event.paths {
                self.watched.remove(path);
            }
        }
        event.paths.iter().any(|path| is_source(path.strip_prefix(&self.root).unwrap_or(path)))
    }
}

/// Whether a path, relative to the applet's folder, is one that matters: no editor's leftover, nothing of ours but `dev.toml`.
fn is_source(path: &Path) -> bool {
    if path == Path::new(".belljar/dev.toml") {
        return true;
    }
    let is_ours =
        path.components().next().is_some_and(|first| [".belljar", ".git"].iter().any(|own| first.as_os_str() == *own));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_leftover = name.ends_with('~')
        || name.ends_with(".swp")
        || name.ends_with(".swx")
        || name.starts_with(".#")
        || name == "4913";
    !is_ours && !is_leftover
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_and_our_own_files_do_not_matter() {
        for (path, expected) in [
            ("src/index.ts", true),
            ("manifest.yaml", true),
            (".belljar/dev.toml", true),
            (".belljar/data/kv.sqlite", false),
            (".git/index", false),
            ("src/.index.ts.swp", false),
            ("src/index.ts~", false),
            ("4913", false),
        ] {
            assert_eq!(is_source(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn changes_are_told_in_new_folders_too() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("node_modules/p")).expect("folders");
        let mut watch = Watch::start(folder.path()).expect("it watches");
        std::fs::create_dir(folder.path().join("src")).expect("a folder");
        assert!(watch.changed().is_some());
        watch.folders(&[]);
        std::fs::write(folder.path().join("src/a.ts"), "1").expect("written");
        assert!(watch.changed().is_some());
        assert!(!watch.watched.iter().any(|path| path.ends_with("node_modules")), "{:?}", watch.watched);
    }
}
