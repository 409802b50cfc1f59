//! When invocations are recorded, and the thread that finishes recordings, off the request path: it takes secrets out, and hands them on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::Recording;

/// Bytes of events that one recording may have, unless the recorder says otherwise.
const RECORDING_BYTES_MAX: u64 = 4 << 20;
/// Bytes of recordings that wait to be finished; those that come then are dropped, and counted.
const QUEUE_BYTES_MAX: u64 = 64 << 20;
/// For how long recordings gather before the thread begins with them.
const GATHER: Duration = Duration::from_millis(5);

/// Which invocations are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordPolicy {
    /// None.
    #[default]
    Never,
    /// Those that end in a fault, or answer with a status from 500 on. All are recorded, in memory; what succeeds is dropped at its end.
    OnFailure,
    /// So many of a million, by their ids, and those that [`OnFailure`](Self::OnFailure) keeps.
    Sampled {
        /// 0 to 1,000,000.
        per_million: u32,
    },
    /// All.
    Always,
}

impl RecordPolicy {
    /// Whether anything may come of recording.
    pub(crate) fn records(self) -> bool {
        self != Self::Never
    }

    /// Whether a recording is kept.
    pub(crate) fn keeps(self, invocation: &str, has_failed: bool) -> bool {
        match self {
            Self::Never => false,
            Self::OnFailure => has_failed,
            Self::Sampled { per_million } => has_failed || drawn(invocation) < per_million,
            Self::Always => true,
        }
    }
}

/// A number below a million, of an id: the same on every host.
fn drawn(invocation: &str) -> u32 {
    let digest = blake3::hash(invocation.as_bytes());
    let [a, b, c, d, ..] = *digest.as_bytes();
    u32::from_le_bytes([a, b, c, d]) % 1_000_000
}

/// As in settings: `never`, `on-failure`, `always`, or `sampled:N`, with N of a million.
impl std::str::FromStr for RecordPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self::Never),
            "on-failure" => Ok(Self::OnFailure),
            "always" => Ok(Self::Always),
            _ => {
                let per_million = text
                    .strip_prefix("sampled:")
                    .and_then(|number| number.parse().ok())
                    .filter(|number| *number <= 1_000_000);
                let per_million = per_million.ok_or_else(|| {
                    format!("{text:?} is no policy: use never, on-failure, always, or sampled:N with N of a million invocations")
                })?;
                Ok(Self::Sampled { per_million })
            }
        }
    }
}

impl std::fmt::Display for RecordPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::OnFailure => f.write_str("on-failure"),
            Self::Sampled { per_million } => write!(f, "sampled:{per_million}"),
            Self::Always => f.write_str("always"),
        }
    }
}

/// Takes recordings. It is called on a thread of the recorder's own, one recording after the other, so it may block; what comes while it does
/// waits, and is dropped when too much waits.
pub trait RecordingSink: Send + Sync + 'static {
    /// One recording, complete, and without secrets.
    fn take(&self, recording: Recording);
}

impl<S: RecordingSink + ?Sized> RecordingSink for Arc<S> {
    fn take(&self, recording: Recording) {
        (**self).take(recording);
    }
}

/// Records invocations by a policy. Clones are the same recorder.
///
/// ```
/// use std::sync::mpsc::{Sender, channel};
///
/// use belljar::{RecordPolicy, Recorder, Recording, RecordingSink};
///
/// struct Channel(Sender<Recording>);
///
/// impl RecordingSink for Channel {
///     fn take(&self, recording: Recording) {
///         let _ = self.0.send(recording);
///     }
/// }
///
/// let (sender, recordings) = channel();
/// let recorder = Recorder::new(Channel(sender)).policy(RecordPolicy::Always).bytes_max(1 << 20);
/// recorder.flush();
/// assert!(recordings.try_recv().is_err(), "nothing was invoked");
/// ```
#[derive(Clone)]
pub struct Recorder {
    policy: RecordPolicy,
    bytes_max: u64,
    queue: Sender<Work>,
    queued: Arc<Queued>,
}

#[derive(Default)]
struct Queued {
    bytes: AtomicU64,
    dropped: AtomicU64,
}

enum Work {
    Finish { bytes: u64, finish: Box<dyn FnOnce() -> Option<Recording> + Send> },
    Tell(Sender<()>),
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder")
            .field("policy", &self.policy)
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

impl Recorder {
    /// Hands recordings to `sink`. It records nothing until a [`policy`](Self::policy) says so, its own or that of an invocation.
    pub fn new(sink: impl RecordingSink) -> Self {
        let (queue, work) = channel();
        let queued = Arc::new(Queued::default());
        let counted = queued.clone();
        let thread = std::thread::Builder::new()
            .name("belljar-recorder".into())
            .spawn(move || finish_all(&work, &sink, &counted));
        if let Err(error) = thread {
            tracing::error!(%error, "there is no thread for recordings: none are kept");
        }
        Self { policy: RecordPolicy::Never, bytes_max: RECORDING_BYTES_MAX, queue, queued }
    }

    /// Which invocations are recorded.
    #[must_use]
    pub fn policy(mut self, policy: RecordPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Bytes of calls and answers that one recording may have (4 MiB by default). One that would have more says that it is cut, and replays up
    /// to there.
    #[must_use]
    pub fn bytes_max(mut self, bytes_max: u64) -> Self {
        self.bytes_max = bytes_max;
        self
    }

    /// Waits until the sink has taken all that was recorded before.
    pub fn flush(&self) {
        let (sender, told) = channel();
        if self.queue.send(Work::Tell(sender)).is_ok() {
            // An error would say that the thread has ended: there is nothing left to wait for.
            let _ = told.recv();
        }
    }

    /// Recordings that were dropped because too many waited.
    pub fn dropped(&self) -> u64 {
        self.queued.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn its_policy(&self) -> RecordPolicy {
        self.policy
    }

    pub(crate) fn its_bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Has a recording of about `bytes` bytes finished and handed on.
    pub(crate) fn finish(&self, bytes: u64, finish: impl FnOnce() -> Option<Recording> + Send + 'static) {
        let waiting = self.queued.bytes.fetch_add(bytes, Ordering::Relaxed);
        let is_queued =
            waiting <= QUEUE_BYTES_MAX && self.queue.send(Work::Finish { bytes, finish: Box::new(finish) }).is_ok();
        if !is_queued {
            self.queued.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.queued.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn finish_all(work: &Receiver<Work>, sink: &dyn RecordingSink, queued: &Queued) {
    while let Ok(first) = work.recv() {
        // Waking this thread is the invocation's cost, and the most of it: one pays for all that come meanwhile.
        std::thread::sleep(GATHER);
        let mut next = Some(first);
        while let Some(one) = next {
            match one {
                Work::Finish { bytes, finish } => {
                    if let Some(recording) = finish() {
                        sink.take(recording);
                    }
                    queued.bytes.fetch_sub(bytes, Ordering::Relaxed);
                }
                // Whoever asked may have gone.
                Work::Tell(told) => drop(told.send(())),
            }
            next = work.try_recv().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_written_as_they_are_read() {
        for text in ["never", "on-failure", "always", "sampled:0", "sampled:1000000"] {
            assert_eq!(text.parse::<RecordPolicy>().expect("it is a policy").to_string(), text);
        }
        for text in ["", "sometimes", "sampled", "sampled:1000001", "sampled:-1"] {
            let error = text.parse::<RecordPolicy>().expect_err("it is none");
            assert!(error.contains("use never, on-failure"), "{error}");
        }
    }

    #[test]
    fn policies_keep_what_they_say() {
        let kept =
            |policy: RecordPolicy| (0..10_000).filter(|number| policy.keeps(&format!("inv_{number}"), false)).count();
        assert_eq!(
            (kept(RecordPolicy::Never), kept(RecordPolicy::OnFailure), kept(RecordPolicy::Always)),
            (0, 0, 10_000)
        );
        let sampled = kept(RecordPolicy::Sampled { per_million: 100_000 });
        assert!((800..1_200).contains(&sampled), "{sampled}");
        assert!(
            RecordPolicy::OnFailure.keeps("inv_1", true)
                && RecordPolicy::Sampled { per_million: 0 }.keeps("inv_1", true)
        );
        assert!(!RecordPolicy::Never.keeps("inv_1", true));
    }
}
