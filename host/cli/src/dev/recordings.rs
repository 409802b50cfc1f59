//! Recordings of calls in development: each is kept with its package, so that it can be replayed as it is, and told of as soon as it is there.

use std::io::Read as _;
use std::sync::Arc;

use belljar::{Digest, Recorder, Recording, RecordingFolder, RecordingSink};
use belljar_server::catalog::Catalog;
use belljar_server::data_dir::DataDir;
use belljar_server::server::RECORDINGS_FOLDER;
use belljar_server::settings::Settings;

use super::lines::Lines;
use crate::failure::{Failure, chain};

/// The folder, and whoever hears of it.
struct Recordings {
    folder: RecordingFolder,
    catalog: Catalog,
    lines: Arc<Lines>,
}

/// Records by the policy of `settings` into the data directory, within its bounds.
///
/// # Errors
/// When the folder cannot be used.
pub(super) fn recorder(
    settings: &Settings,
    dir: &DataDir,
    catalog: Catalog,
    lines: Arc<Lines>,
) -> Result<Recorder, Failure> {
    let folder = RecordingFolder::open(dir.path().join(RECORDINGS_FOLDER), settings.recordings_bytes_max);
    let folder = folder.map_err(|error| Failure::new("record", chain(&error)))?.age_max(settings.recordings_age_max());
    let recorder = Recorder::new(Recordings { folder, catalog, lines });
    Ok(recorder.policy(settings.record).bytes_max(settings.recording_bytes_max))
}

impl RecordingSink for Recordings {
    fn take(&self, mut recording: Recording) {
        let header = recording.header();
        let id = header.invocation.clone();
        if let Err(why) = self.attach(&mut recording) {
            self.lines.unrecorded(&id, &format!("its package cannot be put into it: {why}"));
        }
        self.folder.take(recording);
        match self.folder.find(&id) {
            Some(path) => self.lines.recorded(&id, &path),
            None => self.lines.unrecorded(
                &id,
                "it cannot be written: is the disk full, or the recording larger than recordings_bytes_max?",
            ),
        }
    }
}

impl Recordings {
    /// Its package is the one that was served when it began, which may be another by now.
    fn attach(&self, recording: &mut Recording) -> Result<(), String> {
        let Some(digest) = recording.header().package.as_deref().and_then(Digest::from_hex) else { return Ok(()) };
        let mut package = Vec::new();
        let mut file = self.catalog.package_file(&digest).map_err(|error| chain(&error))?;
        file.read_to_end(&mut package).map_err(|error| error.to_string())?;
        recording.attach(package).map_err(|error| chain(&error))
    }
}
