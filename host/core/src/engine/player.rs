//! A recording while it is replayed: the guest's calls are compared with those that were recorded, in their order, and answered from it. Another
//! order, or another package, is the business of `matching`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::matching::Matching;
use super::tape::Slice;
use crate::floor::fault::Frame;
use crate::recording::events::{Events, Tag, read, write_call};
use crate::recording::{Ending, Recording, text_of};

/// Where a replay differs from what was recorded, the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Divergence {
    /// Calls that agreed before it.
    pub calls: u64,
    /// What the recording has: a call with its arguments, an end, a number.
    pub expected: String,
    /// What the replay has instead.
    pub got: String,
    /// Fuel burnt by then.
    pub fuel: u64,
    /// Where in the author's files it happened, innermost first, if JavaScript was running.
    pub frames: Vec<Frame>,
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "after {} calls that agree, {} was expected, not {}", self.calls, self.expected, self.got)
    }
}

/// Why a replay was ended by its player.
#[derive(Debug)]
pub(super) enum Halt {
    /// `expected` and `got`.
    Diverged(String, String),
    /// The recorded invocation was ended here, too.
    Ended,
    /// The recording is cut here.
    Cut,
    /// The recording makes no sense.
    Unreadable(&'static str),
}

/// Carried through Wasmtime; why is in the player.
#[derive(Debug, thiserror::Error)]
#[error("the replay was ended")]
struct Halted;

pub(super) struct Player {
    events: Vec<u8>,
    at: usize,
    ending: Ending,
    /// Burnt in all.
    fuel_end: u64,
    is_cut: bool,
    /// Whether fuel, and the clock that follows from it, are comparable.
    compares_fuel: bool,
    asked_count: u64,
    told_us: u64,
    checkpoints: u64,
    calls: u64,
    halted: Option<Halt>,
    scratch: Vec<u8>,
    /// Answers in whatever order the calls come: another package is compared.
    matching: Option<Box<Matching>>,
}

impl Player {
    pub(super) fn new(recording: &Recording, compares_fuel: bool) -> Self {
        Self {
            events: recording.events.clone(),
            at: 0,
            ending: recording.end.ending,
            fuel_end: recording.end.usage.fuel,
            is_cut: recording.end.is_cut,
            compares_fuel,
            asked_count: 0,
            told_us: 0,
            checkpoints: 0,
            calls: 0,
            halted: None,
            scratch: Vec::new(),
            matching: None,
        }
    }

    /// Compares another package.
    pub(super) fn against(recording: &Recording, matching: Matching) -> Self {
        Self { matching: Some(Box::new(matching)), ..Self::new(recording, false) }
    }

    /// There when another package is compared.
    pub(super) fn matching(&mut self) -> Option<&mut Matching> {
        self.matching.as_deref_mut()
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    pub(super) fn has_halted(&self) -> bool {
        self.halted.is_some()
    }

    pub(super) fn take_halt(&mut self) -> Option<Halt> {
        self.halted.take()
    }

    /// Ends the replay.
    pub(super) fn halt(&mut self, halt: Halt) -> wasmtime::Error {
        self.halted.get_or_insert(halt);
        wasmtime::Error::new(Halted)
    }

    fn events(&self) -> Events<'_> {
        Events::new(&self.events[self.at..])
    }

    fn next_tag(&self) -> Option<Tag> {
        self.events().peek().map(|(tag, _)| tag)
    }

    /// Goes past an event of so many bytes.
    fn advance(&mut self, payload_bytes: usize) {
        self.at += Events::HEAD_BYTES + payload_bytes;
    }

    /// What the recording has next, for people.
    fn expected(&self) -> String {
        match self.events().peek() {
            Some((Tag::Call, payload)) => text_of::call(payload),
            Some((Tag::Clock, payload)) => match read::<(u64, u64)>(payload) {
                Some((count, told_us)) => asked_for_time(count, told_us),
                None => "the time".into(),
            },
            Some((Tag::Slice, _)) => "that it waits".into(),
            Some((Tag::Answer, _)) => "an answer".into(),
            None => match self.ending {
                Ending::Finished | Ending::AfterLastStep => "its end".into(),
                Ending::Call | Ending::Checkpoint(_) | Ending::Killed => "that the host ends it".into(),
                Ending::Waiting => "that it waits for its end".into(),
            },
        }
    }

    /// Compares how often the time was asked for since the event before, and what was told.
    fn settle_clock(&mut self) -> wasmtime::Result<()> {
        let asked = (std::mem::take(&mut self.asked_count), self.told_us);
        let recorded = match self.events().peek() {
            Some((Tag::Clock, payload)) => Some((payload.len(), read::<(u64, u64)>(payload))),
            _ => None,
        };
        let is_equal = match recorded {
            None => asked.0 == 0,
            Some((_, recorded)) => {
                recorded.is_some_and(|(count, told_us)| count == asked.0 && (told_us == asked.1 || !self.compares_fuel))
            }
        };
        if is_equal || (self.is_cut && recorded.is_none() && self.next_tag().is_none()) {
            if let Some((bytes, _)) = recorded {
                self.advance(bytes);
            }
            return Ok(());
        }
        let got = if asked.0 == 0 { "no question for the time".into() } else { asked_for_time(asked.0, asked.1) };
        let expected = self.expected();
        Err(self.halt(Halt::Diverged(expected, got)))
    }

    /// The guest calls.
    pub(super) fn call(&mut self, function: &'static str, arguments: &impl Serialize) -> wasmtime::Result<()> {
        if let Some(matching) = &mut self.matching {
            self.scratch.clear();
            write_call(&mut self.scratch, function, arguments);
            matching.call(function, &self.scratch);
            return Ok(());
        }
        self.settle_clock()?;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let is_written = write_call(&mut scratch, function, arguments);
        let is_equal = is_written && self.events().peek() == Some((Tag::Call, scratch.as_slice()));
        let ended = if is_equal {
            self.advance(scratch.len());
            self.calls += 1;
            // The last event: the host ended it here.
            (self.next_tag().is_none() && !self.is_cut && self.ending == Ending::Call).then_some(Halt::Ended)
        } else if self.next_tag().is_none() && self.is_cut {
            Some(Halt::Cut)
        } else {
            Some(Halt::Diverged(self.expected(), text_of::call(&scratch)))
        };
        self.scratch = scratch;
        ended.map_or(Ok(()), |halt| Err(self.halt(halt)))
    }

    /// The call has been given a number.
    pub(super) fn numbered(&mut self, number: u32) {
        if let Some(matching) = &mut self.matching {
            matching.numbered(number);
        }
    }

    /// The guest no longer wants an operation.
    pub(super) fn cancelled(&mut self, number: u32) {
        if let Some(matching) = &mut self.matching {
            matching.cancelled(number);
        }
    }

    /// The number that a stream had when it was recorded.
    pub(super) fn recorded_number(&self, number: u32) -> u32 {
        self.matching.as_ref().map_or(number, |matching| matching.recorded_number(number))
    }

    /// What was answered to the call just compared. With nothing, the recording is cut.
    pub(super) fn answer<T: DeserializeOwned>(&mut self) -> wasmtime::Result<Option<T>> {
        if let Some(matching) = &self.matching {
            return Ok(matching.answer().and_then(read));
        }
        let found = match self.events().peek() {
            Some((Tag::Answer, payload)) => read(payload).map(|answer| (payload.len(), answer)),
            None if self.is_cut => return Err(self.halt(Halt::Cut)),
            // The guest waited for it when it was ended.
            None if self.ending == Ending::Waiting => return Err(self.halt(Halt::Ended)),
            _ => None,
        };
        let Some((bytes, answer)) = found else { return Err(self.halt(Halt::Unreadable("an answer is missing"))) };
        self.advance(bytes);
        Ok(Some(answer))
    }

    /// A component has waited for a timer: another package's may be one that nobody waited for to its end.
    pub(super) fn reached(&mut self, due_us: u64) -> wasmtime::Result<()> {
        match &self.matching {
            Some(matching) if matching.is_past_end(due_us) => Err(self.halt(Halt::Ended)),
            _ => Ok(()),
        }
    }

    pub(super) fn clock(&mut self, now_us: u64) {
        self.asked_count += 1;
        self.told_us = now_us;
    }

    /// The guest is at a checkpoint.
    pub(super) fn checkpoint(&mut self) -> wasmtime::Result<()> {
        if self.matching.is_some() {
            return Ok(());
        }
        self.checkpoints += 1;
        match self.ending {
            Ending::Checkpoint(number) if number == self.checkpoints => Err(self.halt(Halt::Ended)),
            _ => Ok(()),
        }
    }

    /// The fuel at which the guest was ended from outside while it ran.
    pub(super) fn killed_at(&self) -> Option<u64> {
        (self.compares_fuel && self.ending == Ending::Killed && !self.is_cut).then_some(self.fuel_end)
    }

    /// Whether the recorded guest was ended from outside with so much fuel burnt, and all that it did by then has come. Calls of the host need no fuel,
    /// so the guest may come a little further before it stops for want of it.
    pub(super) fn is_over(&self, fuel: u64) -> bool {
        let mut events = self.events();
        let next = events.next().map(|(tag, _)| tag);
        self.killed_at() == Some(fuel) && (next.is_none() || (next == Some(Tag::Clock) && events.next().is_none()))
    }

    /// Ends the replay if [it is over](Self::is_over).
    pub(super) fn end_if_over(&mut self, fuel: u64) -> wasmtime::Result<()> {
        if !self.is_over(fuel) {
            return Ok(());
        }
        self.killed()?;
        Err(self.halt(Halt::Ended))
    }

    /// Whether the recorded guest has asked for the time more often before anything else came.
    pub(super) fn expects_clock(&self) -> bool {
        match self.events().peek() {
            Some((Tag::Clock, payload)) => {
                read::<(u64, u64)>(payload).is_some_and(|(count, _)| count > self.asked_count)
            }
            _ => false,
        }
    }

    /// Whether the guest is entered again.
    pub(super) fn has_slices(&self) -> bool {
        self.events().any(|(tag, _)| tag == Tag::Slice)
    }

    /// The guest waits, or is about to be started: what it is entered with next, with so much fuel burnt. Its earliest timer matters
    /// for another package only.
    pub(super) fn slice(&mut self, fuel: u64, wake_at_us: Option<u64>) -> wasmtime::Result<Slice> {
        if let Some(matching) = &mut self.matching {
            return match matching.slice(wake_at_us) {
                Some(slice) => Ok(slice),
                None => Err(self.halt(Halt::Ended)),
            };
        }
        self.settle_clock()?;
        let found = match self.events().peek() {
            Some((Tag::Slice, payload)) => Some((payload.len(), read::<Slice>(payload))),
            _ => None,
        };
        match found {
            Some((bytes, Some(slice))) => {
                if self.compares_fuel && slice.fuel != fuel {
                    return Err(self.halt(Halt::Diverged(burnt(slice.fuel), burnt(fuel))));
                }
                self.advance(bytes);
                Ok(slice)
            }
            Some((_, None)) => Err(self.halt(Halt::Unreadable("what completed cannot be read"))),
            None if self.next_tag().is_some() => {
                let expected = self.expected();
                Err(self.halt(Halt::Diverged(expected, "that it waits".into())))
            }
            None if self.is_cut => Err(self.halt(Halt::Cut)),
            // Ended before it was begun, or while it waited.
            None if self.ending == Ending::Waiting || (self.at == 0 && self.ending == Ending::Killed) => {
                Err(self.halt(Halt::Ended))
            }
            None => {
                let expected = self.expected();
                Err(self.halt(Halt::Diverged(expected, "that it waits".into())))
            }
        }
    }

    pub(super) fn compares_fuel(&self) -> bool {
        self.compares_fuel
    }

    /// The guest has burnt what the recorded one had when it was ended from outside: nothing may be left.
    pub(super) fn killed(&mut self) -> wasmtime::Result<()> {
        self.settle_clock()?;
        if self.next_tag().is_some() {
            let expected = self.expected();
            return Err(self.halt(Halt::Diverged(expected, "that it goes on without".into())));
        }
        Ok(())
    }

    /// The guest has come to its end by itself: whether the recording has, too.
    pub(super) fn finish(&mut self) -> wasmtime::Result<()> {
        self.settle_clock()?;
        if self.next_tag().is_none() && self.is_cut {
            return Err(self.halt(Halt::Cut));
        }
        if self.next_tag().is_none() && matches!(self.ending, Ending::Finished | Ending::AfterLastStep) {
            return Ok(());
        }
        let expected = self.expected();
        Err(self.halt(Halt::Diverged(expected, "its end".into())))
    }
}

fn asked_for_time(count: u64, told_us: u64) -> String {
    let questions = if count == 1 { "question" } else { "questions" };
    format!("{count} {questions} for the time, {told_us} µs the last answer")
}

pub(super) fn burnt(fuel: u64) -> String {
    format!("{fuel} fuel burnt")
}
