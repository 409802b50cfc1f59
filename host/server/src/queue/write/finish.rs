//! Ending attempts.

use super::{Change, Stored, Work};
use crate::queue::QueueError;
use crate::queue::state::{Kind, Next, State};

/// An attempt that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// The delivery.
    pub delivery: u64,
    /// What proves that the attempt holds it.
    pub lease: u64,
    /// How it ended.
    pub ended: Ended,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The handler has done it.
    Done {
        /// What it answered: JSON text. Kept for everything but events.
        result: Option<String>,
    },
    /// It failed.
    Failed {
        /// For people.
        error: String,
        /// How long it waits before it is tried again, milliseconds; `None` for its backoff.
        delay_ms: Option<u64>,
        /// Whether trying again is of no use.
        is_final: bool,
    },
    /// It was not begun: the attempt does not count.
    Returned {
        /// How long it waits, milliseconds.
        delay_ms: u64,
        /// Why, for people.
        why: String,
    },
}

impl Work<'_> {
    /// Ends attempts; answers the deliveries that were not held any more.
    pub(crate) fn finish(&mut self, finished: &[Finish]) -> Result<Vec<u64>, QueueError> {
        let mut lost = Vec::new();
        for finish in finished {
            match self.stored(finish.delivery)? {
                Some(stored) if stored.state == State::Running && stored.lease == Some(finish.lease) => {
                    self.end(&stored, &finish.ended)?;
                }
                _ => lost.push(finish.delivery),
            }
        }
        Ok(lost)
    }

    fn end(&mut self, stored: &Stored, ended: &Ended) -> Result<(), QueueError> {
        match ended {
            Ended::Done { result } => {
                let result = result.as_deref().filter(|_| stored.kind != Kind::Event);
                self.change(stored, State::Done, &Change { result, ..Change::default() })
            }
            Ended::Failed { error, delay_ms, is_final } => {
                let error = Some(error.as_str());
                match stored.retries.after(stored.attempt, self.time.random()) {
                    Next::After { ms } if !is_final => {
                        let due_us = self.in_ms(delay_ms.unwrap_or(ms));
                        self.change(
                            stored,
                            State::Waiting,
                            &Change { due_us: Some(due_us), error, ..Change::default() },
                        )
                    }
                    _ => self.change(stored, State::Dead, &Change { error, ..Change::default() }),
                }
            }
            Ended::Returned { delay_ms, why } => {
                let state = if *delay_ms == 0 { State::Ready } else { State::Waiting };
                let change = Change {
                    due_us: Some(self.in_ms(*delay_ms)),
                    attempt: Some(stored.attempt.saturating_sub(1)),
                    error: Some(why.as_str()),
                    ..Change::default()
                };
                self.change(stored, state, &change)
            }
        }
    }

    fn in_ms(&self, ms: u64) -> u64 {
        self.now_us.saturating_add(ms.saturating_mul(1_000)).min(i64::MAX as u64)
    }
}
