//! Recordings: everything that came into one invocation from outside, in the order in which it came, and what the invocation did with it. With the
//! package and the engine of the same digests it can be run again, anywhere and offline ([`Host::replay`](crate::Host::replay)); docs/replay.md
//! has the format. This module is plain data and files: what an event means is known to the engine that wrote it.

pub(crate) mod events;
mod file;
mod folder;
pub(crate) mod key;
mod recorder;
mod redact;
mod text;

use serde::{Deserialize, Serialize};

use self::events::{Events, Tag};
use crate::floor::fault::Frame;
use crate::floor::limits::Limits;
use crate::floor::usage::Usage;

pub use file::RecordingError;
pub use folder::{RecordingFolder, RecordingFolderError};
pub use key::{InvalidRecordingKey, RecordingKey};
pub use recorder::{RecordPolicy, Recorder, RecordingSink};
pub(crate) use redact::{StandIn, instead_of, redacted};
pub(crate) use text::text_of;

/// What a recording says of its invocation before anything of it: who, what, when, on what engine and within which limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordingHeader {
    /// The Belljar that recorded.
    pub belljar: String,
    /// Digest of the engine, in hexadecimal digits: fuel repeats under the same one only.
    pub engine: String,
    /// The data behind `Intl` ([`Host::intl_version`](crate::Host::intl_version)).
    pub intl: String,
    /// Digest of the package file, in hexadecimal digits; none for a program given as text.
    pub package: Option<String>,
    /// The invocation.
    pub invocation: String,
    /// The tenant.
    pub tenant: String,
    /// The applet.
    pub applet: String,
    /// The applet's version.
    pub version: String,
    /// The handler.
    pub handler: String,
    /// What caused the call.
    pub trigger: String,
    /// When it began, Unix time in microseconds.
    pub begun_us: u64,
    /// Whether time passed only where it was waited for ([`Virtual`](crate::Virtual) without a fuel clock).
    pub is_time_virtual: bool,
    /// Whether secrets were replaced by stand-ins of the same length. What an applet computes from the bytes of one differs in a replay.
    pub has_stand_ins: bool,
    /// Names of what was granted.
    pub grants: Vec<String>,
    /// The limits in force.
    pub limits: Limits,
}

/// How an invocation ended, as far as a replay has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ending {
    /// By what the guest did: it answered, failed, or ran into a limit that is counted in the guest.
    Finished,
    /// The host ended it in its last call.
    Call,
    /// At the checkpoint of this number, from 1: its time was over.
    Checkpoint(u64),
    /// From outside, in the middle of a slice: the fuel says where.
    Killed,
    /// While it waited.
    Waiting,
    /// After its last step: while the rest of its response went out.
    AfterLastStep,
}

/// What came of a recorded invocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum RecordedResult {
    Value(Option<String>),
    Http {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// Its chunks are among the calls.
    Streamed {
        status: u16,
        body_bytes: u64,
        is_complete: bool,
    },
    /// `json` is all of it.
    Fault {
        code: String,
        message: String,
        json: String,
    },
}

/// The end of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) ending: Ending,
    pub(crate) result: RecordedResult,
    pub(crate) usage: Usage,
    /// Events after its bound are missing.
    pub(crate) is_cut: bool,
}

/// One recorded invocation.
///
/// ```no_run
/// use belljar::Recording;
///
/// let bytes = std::fs::read("inv_019a.recording")?;
/// let recording = Recording::decode(&bytes, None)?;
/// println!("{} burnt {} fuel", recording.header().invocation, recording.usage().fuel);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    pub(crate) header: RecordingHeader,
    /// The argument of `start`.
    pub(crate) invocation: Vec<u8>,
    pub(crate) events: Vec<u8>,
    pub(crate) end: End,
    /// The package file, when it travels along.
    #[serde(skip)]
    pub(crate) package: Option<Vec<u8>>,
}

impl Recording {
    /// What it says of its invocation.
    pub fn header(&self) -> &RecordingHeader {
        &self.header
    }

    /// What the invocation used.
    pub fn usage(&self) -> &Usage {
        &self.end.usage
    }

    /// Code and message of the fault that the invocation ended in, if it did.
    pub fn fault(&self) -> Option<(&str, &str)> {
        match &self.end.result {
            RecordedResult::Fault { code, message, .. } => Some((code, message)),
            _ => None,
        }
    }

    /// Where that fault was, innermost first: where what was thrown was made, or where a limit ended the call.
    pub fn frames(&self) -> Vec<Frame> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Told {
            errors: Vec<Told>,
            frames: Vec<Frame>,
        }
        let RecordedResult::Fault { json, .. } = &self.end.result else { return Vec::new() };
        let Told { errors, frames } = serde_json::from_str(json).unwrap_or_default();
        errors.into_iter().next().map_or(frames, |error| error.frames)
    }

    /// Whether it ended before the invocation did, at its bound: it replays up to there.
    pub fn is_cut(&self) -> bool {
        self.end.is_cut
    }

    /// The package file, if it travels with the recording.
    pub fn package(&self) -> Option<&[u8]> {
        self.package.as_deref()
    }

    /// Has the package file travel with it, so that it can be replayed where the package is not.
    ///
    /// # Errors
    /// [`RecordingError::OtherPackage`] when it is not the one that was recorded.
    pub fn attach(&mut self, package: Vec<u8>) -> Result<(), RecordingError> {
        let given = crate::floor::ids::Digest::of(&package).to_hex();
        match &self.header.package {
            Some(recorded) if *recorded == given => {}
            recorded => {
                return Err(RecordingError::OtherPackage { recorded: recorded.clone().unwrap_or_default(), given });
            }
        }
        self.package = Some(package);
        Ok(())
    }

    /// The calls that the guest made, as text, in order.
    ///
    /// ```no_run
    /// # let recording: belljar::Recording = unimplemented!();
    /// for call in recording.calls() {
    ///     println!("{call}");
    /// }
    /// ```
    pub fn calls(&self) -> impl Iterator<Item = String> + '_ {
        Events::new(&self.events).filter(|(tag, _)| *tag == Tag::Call).map(|(_, payload)| text_of::call(payload))
    }
}
