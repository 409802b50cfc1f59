//! Watches one connection while a statement runs: stops it at its time, on cancellation, or when it writes too much, and
//! remembers why. It also carries whose statement it is, so that the authorizer can tell the host's from an applet's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::floor::limits::LimitHit;

/// Instructions of SQLite's virtual machine between two looks at the clock: some tens of microseconds.
pub(super) const INSTRUCTIONS_BETWEEN_LOOKS: i32 = 1_000;
/// Between two looks at the bytes written: they cost a read of a file in /proc.
const WRITTEN_LOOK: Duration = Duration::from_millis(20);
/// Longest sleep between two tries of a lock that another process holds.
const BUSY_SLEEP_MAX: Duration = Duration::from_millis(25);

/// Why a statement was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    Limit(LimitHit),
    Cancelled,
}

/// One of the times a statement has to keep.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeLimit {
    /// The limit's name, in milliseconds.
    pub(super) name: &'static str,
    pub(super) allowed_ms: u64,
    /// When it runs out.
    pub(super) at: Instant,
}

impl TimeLimit {
    /// `allowed_ms` from `start`.
    pub(super) fn new(name: &'static str, allowed_ms: u64, start: Instant) -> Self {
        Self { name, allowed_ms, at: later(start, allowed_ms) }
    }

    /// The hit, told at `now`.
    pub(super) fn hit(&self, now: Instant) -> LimitHit {
        let over = now.saturating_duration_since(self.at).as_millis();
        let used = self.allowed_ms.saturating_add(u64::try_from(over).unwrap_or(u64::MAX));
        LimitHit { name: self.name, allowed: self.allowed_ms, used }
    }
}

/// `start` and so many milliseconds; a century when that is beyond what the clock can tell.
pub(super) fn later(start: Instant, ms: u64) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    start.checked_add(Duration::from_millis(ms)).unwrap_or_else(|| start + CENTURY)
}

/// What holds for the statement that runs now.
#[derive(Debug)]
pub(super) struct Run {
    /// The earliest wins.
    pub(super) times: Vec<TimeLimit>,
    /// Any of them set stops the statement.
    pub(super) cancels: Vec<Arc<AtomicBool>>,
    /// Time to wait for another process's lock.
    pub(super) busy: Duration,
    /// Bytes the statement may write, temporary files included.
    pub(super) written: WrittenLimit,
    /// Whether the statement is the applet's or the host's own (BEGIN, COMMIT).
    pub(super) by_applet: bool,
    /// Whether the statement runs in a transaction of its session.
    pub(super) in_transaction: bool,
}

/// Bytes a statement may write.
#[derive(Debug, Clone, Copy)]
pub(super) struct WrittenLimit {
    pub(super) allowed: u64,
    /// Under which limit it is told.
    pub(super) name: &'static str,
}

#[derive(Debug, Default)]
struct State {
    run: Option<Run>,
    stop: Option<Stop>,
    denied: Option<String>,
    inserts: bool,
    busy_since: Option<Instant>,
    written_at_start: Option<u64>,
    written_look: Option<Instant>,
}

/// Shared by a connection and its callbacks. Without a [`Run`] the connection belongs to the host, which nothing stops.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<State>);

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches a statement until [`Watch::end`]. Tells when there is no time for it any more: a short one would be done before
    /// the first look.
    pub(super) fn start(&self, run: Run) -> Option<Stop> {
        let mut state = self.state();
        *state = State { run: Some(run), ..State::default() };
        state.must_stop(Instant::now());
        state.stop.clone()
    }

    /// The statement is over. What was learnt of it can be asked until the next one starts.
    pub(super) fn end(&self) {
        self.state().run = None;
    }

    /// Whose the SQL prepared and run from now on is, within the same statement's bounds.
    pub(super) fn set_by_applet(&self, by_applet: bool) {
        if let Some(run) = &mut self.state().run {
            run.by_applet = by_applet;
        }
    }

    /// Why the last statement was stopped, if it was.
    pub(super) fn stopped(&self) -> Option<Stop> {
        self.state().stop.clone()
    }

    /// What the authorizer refused of the last statement.
    pub(super) fn denied(&self) -> Option<String> {
        self.state().denied.clone()
    }

    /// Whether the last statement is itself an INSERT.
    pub(super) fn inserts(&self) -> bool {
        self.state().inserts
    }

    pub(super) fn deny(&self, what: String) {
        self.state().denied.get_or_insert(what);
    }

    pub(super) fn note_insert(&self) {
        self.state().inserts = true;
    }

    /// Whether an applet's statement is prepared or run, and whether in a transaction.
    pub(super) fn applet(&self) -> Option<InTransaction> {
        self.state().run.as_ref().filter(|run| run.by_applet).map(|run| InTransaction(run.in_transaction))
    }

    /// Called by SQLite every so many instructions. True stops the statement.
    pub(super) fn progress(&self) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        if state.must_stop(now) {
            return true;
        }
        state.wrote_too_much(now)
    }

    /// Called by SQLite when another process has the lock. True tries again.
    pub(super) fn busy(&self) -> bool {
        let (waited, patience) = {
            let mut state = self.state();
            let now = Instant::now();
            if state.must_stop(now) {
                return false;
            }
            let since = *state.busy_since.get_or_insert(now);
            // The host's own statements (opening, checkpoints) get the patience of a default.
            let patience = state.run.as_ref().map_or(Duration::from_secs(2), |run| run.busy);
            (now.saturating_duration_since(since), patience)
        };
        if waited >= patience {
            return false;
        }
        std::thread::sleep((waited / 4).clamp(Duration::from_millis(1), BUSY_SLEEP_MAX));
        true
    }
}

/// Whether a statement runs in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InTransaction(pub(super) bool);

impl State {
    fn must_stop(&mut self, now: Instant) -> bool {
        if self.stop.is_some() {
            return true;
        }
        let Some(run) = &self.run else { return false };
        let late = run.times.iter().filter(|time| time.at <= now).min_by_key(|time| time.at);
        if let Some(time) = late {
            self.stop = Some(Stop::Limit(time.hit(now)));
        } else if run.cancels.iter().any(|cancel| cancel.load(Ordering::SeqCst)) {
            self.stop = Some(Stop::Cancelled);
        }
        self.stop.is_some()
    }

    /// Sorting and materialising spill to temporary files, which SQLite does not bound. A statement runs on one thread from
    /// start to end, so what that thread wrote is what the statement wrote.
    fn wrote_too_much(&mut self, now: Instant) -> bool {
        let Some(run) = &self.run else { return false };
        let due = match self.written_look {
            // The first look comes late, so that short statements never pay for it.
            None => {
                self.written_look = Some(now + WRITTEN_LOOK);
                false
            }
            Some(at) => now >= at,
        };
        if !due {
            return false;
        }
        self.written_look = Some(now + WRITTEN_LOOK);
        let Some(written) = written_by_this_thread() else { return false };
        let start = *self.written_at_start.get_or_insert(written);
        let used = written.saturating_sub(start);
        if used <= run.written.allowed {
            return false;
        }
        self.stop = Some(Stop::Limit(LimitHit { name: run.written.name, allowed: run.written.allowed, used }));
        true
    }
}

/// Bytes this thread passed to write calls so far; `None` where the kernel does not count them.
fn written_by_this_thread() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("wchar:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(times: Vec<TimeLimit>, cancel: bool) -> Run {
        Run {
            times,
            cancels: vec![Arc::new(AtomicBool::new(cancel))],
            busy: Duration::ZERO,
            written: WrittenLimit { allowed: 1, name: "database_bytes_max" },
            by_applet: true,
            in_transaction: false,
        }
    }

    fn check(times: Vec<TimeLimit>, cancel: bool, expected: Option<&str>) {
        let watch = Watch::default();
        assert_eq!(watch.start(run(times, cancel)).is_some(), expected.is_some());
        assert_eq!(watch.progress(), expected.is_some());
        let name = watch.stopped().map(|stop| match stop {
            Stop::Limit(hit) => hit.name,
            Stop::Cancelled => "cancelled",
        });
        assert_eq!(name, expected);
    }

    #[test]
    fn the_earliest_time_or_a_cancel_stops() {
        let now = Instant::now();
        let past = TimeLimit::new("statement_ms_max", 0, now);
        let future = TimeLimit::new("deadline_ms", 60_000, now);
        check(vec![past, future], false, Some("statement_ms_max"));
        check(vec![future], false, None);
        check(vec![future], true, Some("cancelled"));
        check(vec![], false, None);
    }

    #[test]
    fn the_host_is_never_stopped() {
        let watch = Watch::default();
        assert!(!watch.progress());
        assert_eq!(watch.applet(), None);
    }

    #[test]
    fn far_times_do_not_overflow() {
        assert!(later(Instant::now(), u64::MAX) > Instant::now());
    }
}
