//! The states of a delivery, and what follows an attempt: rules without a file.

use serde::{Deserialize, Serialize};

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A named event, for every handler that subscribes to it.
    Event,
    /// Work that an applet has enqueued for a handler of its own.
    Job,
    /// A run of a schedule.
    Schedule,
    /// A call through the API whose caller does not wait.
    Run,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Event, Self::Job, Self::Schedule, Self::Run];

    /// As in the file.
    pub(super) fn code(self) -> i64 {
        Self::ALL.iter().position(|kind| *kind == self).map_or(0, |index| index as i64)
    }

    pub(super) fn from_code(code: i64) -> Self {
        usize::try_from(code).ok().and_then(|index| Self::ALL.get(index)).copied().unwrap_or(Self::Event)
    }

    /// What ids of such messages begin with.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Event => "evt_",
            Self::Job => "job_",
            Self::Schedule => "sch_",
            Self::Run => "run_",
        }
    }

    /// As text, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Job => "job",
            Self::Schedule => "schedule",
            Self::Run => "run",
        }
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is due later: delayed, or about to be tried again.
    Waiting,
    /// It may begin.
    Ready,
    /// An earlier one with the same order key is not done.
    Blocked,
    /// An attempt holds it.
    Running,
    /// It was handled.
    Done,
    /// It was not handled, and will not be tried again unless somebody replays it.
    Dead,
    /// It was given up.
    Dropped,
    /// It was called off.
    Cancelled,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Ready,
        Self::Blocked,
        Self::Running,
        Self::Done,
        Self::Dead,
        Self::Dropped,
        Self::Cancelled,
    ];

    /// As in the file; `schema.rs` has these numbers in its indexes.
    pub(super) fn code(self) -> i64 {
        Self::ALL.iter().position(|state| *state == self).map_or(0, |index| index as i64)
    }

    pub(super) fn from_code(code: i64) -> Self {
        usize::try_from(code).ok().and_then(|index| Self::ALL.get(index)).copied().unwrap_or(Self::Dead)
    }

    /// Whether nothing follows by itself.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Dead | Self::Dropped | Self::Cancelled)
    }

    /// Whether it counts against its tenant's bounds: dead ones do, they are not forgotten by themselves.
    pub(super) fn is_held(self) -> bool {
        !self.has_ended() || self == Self::Dead
    }

    /// As text, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Blocked => "blocked",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
            Self::Cancelled => "cancelled",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How often a delivery is tried, and how long it waits in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retries {
    pub(super) attempts_max: u32,
    pub(super) backoff_ms: u64,
    pub(super) backoff_ms_max: u64,
}

/// What follows an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is tried again.
    After {
        /// Milliseconds from now.
        ms: u64,
    },
    /// It is dead.
    Dead,
}

impl Retries {
    /// What follows when attempt number `attempt` (from 1) has failed.
    ///
    /// The wait doubles with each attempt up to its longest; of that at least a half is kept and the rest is drawn, so that deliveries that
    /// failed together do not come back together ("equal jitter").
    pub(super) fn after(self, attempt: u32, random: u64) -> Next {
        if attempt >= self.attempts_max {
            return Next::Dead;
        }
        let doublings = attempt.saturating_sub(1).min(40);
        let full = self.backoff_ms.saturating_mul(1 << doublings).min(self.backoff_ms_max.max(self.backoff_ms));
        let half = full / 2;
        Next::After { ms: full - half + random % (half + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_texts_agree() {
        for state in State::ALL {
            assert_eq!(State::from_code(state.code()), state);
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(kind.code()), kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn waits_double_up_to_their_longest() {
        let retries = Retries { attempts_max: 6, backoff_ms: 1_000, backoff_ms_max: 5_000 };
        let longest = |attempt| match retries.after(attempt, u64::MAX - u64::MAX % 501) {
            Next::After { ms } => ms,
            Next::Dead => 0,
        };
        assert_eq!(retries.after(1, 0), Next::After { ms: 500 });
        assert_eq!(retries.after(2, 0), Next::After { ms: 1_000 });
        assert_eq!(retries.after(4, 0), Next::After { ms: 2_500 });
        assert_eq!(retries.after(6, 0), Next::Dead);
        assert_eq!(longest(6), 0);
        for random in 0..2_000 {
            let Next::After { ms } = retries.after(1, random) else { panic!("it is tried again") };
            assert!((500..=1_000).contains(&ms));
        }
    }

    #[test]
    fn no_figures_overflow() {
        let retries = Retries { attempts_max: u32::MAX, backoff_ms: u64::MAX, backoff_ms_max: u64::MAX };
        assert!(matches!(retries.after(u32::MAX - 1, u64::MAX), Next::After { .. }));
        assert_eq!(Retries { attempts_max: 1, backoff_ms: 1, backoff_ms_max: 1 }.after(1, 0), Next::Dead);
    }
}
