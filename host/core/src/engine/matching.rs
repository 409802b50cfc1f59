//! A recording as the world of another package: each call is answered with what was answered to the same call with the same arguments when it was
//! recorded, in whatever order it comes now. What has no counterpart is a difference.
//!
//! The package may be of the other kind, a component in place of JavaScript or the other way round: what an applet asks of the world is the same
//! functions. What its engine asks by itself is not compared then ([`Matching::compares`]), and bodies that came in pieces are put together.

use std::collections::{HashMap, VecDeque};

use serde::de::IgnoredAny;

use super::bindings::belljar::applet::completions::{Completion, Outcome};
use super::bindings::belljar::applet::types::{Body, Refusal};
use super::bindings::belljar::applet::{bodies, crypto, custom, db, http, log};
use super::replay::ReplayError;
use super::tape::{Called, Slice};
use crate::recording::events::{Events, Tag, read, split_call};
use crate::recording::{Ending, Recording, text_of};

/// Differences that are told.
const DIFFERENCES_MAX: usize = 100;
/// Functions that neither begin an operation nor open a stream.
const NOT_NUMBERED: [&str; 11] = [
    "log.write",
    "stdout.write",
    "stderr.write",
    "random.bytes",
    "random.seed",
    "modules.load",
    "completions.cancel",
    "bodies.close",
    "bodies.abort",
    "bodies.respond",
    "crypto.drop-key",
];
/// How a component waits for timers, and is told the time. As with the engine of JavaScript, whose timers are no calls, that is not compared: it goes by
/// the package's own timers, each due as soon as nothing else is.
const OF_TIME: [&str; 4] = ["poll.poll", "poll.block", "poll.ready", "clock.reached"];

/// How what a package does differs from what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// A call that was recorded did not come.
    Missing(String),
    /// A call came that was not recorded; what it began failed.
    Extra(String),
    /// The end is another one.
    Result {
        /// Recorded.
        expected: String,
        /// Now.
        got: String,
    },
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(call) => write!(f, "no longer: {call}"),
            Self::Extra(call) => write!(f, "new: {call}"),
            Self::Result { expected, got } => write!(f, "{got} instead of {expected}"),
        }
    }
}

struct Recorded {
    payload: Vec<u8>,
    number: Option<u32>,
    answer: Option<Vec<u8>>,
    is_used: bool,
}

struct Delivered {
    slice: usize,
    order: usize,
    outcome: Outcome,
}

struct Entry {
    base_us: u64,
    refill: bool,
}

pub(super) struct Matching {
    /// Whether what runs now is a component, and what was recorded is not, or the other way round.
    is_across: bool,
    /// Whether bodies are answered whole.
    joins_bodies: bool,
    /// The call was ended then, in its own time, while it waited.
    ended_us: Option<u64>,
    recorded: Vec<Recorded>,
    /// Calls that have not come yet, by their payload.
    unused: HashMap<Vec<u8>, VecDeque<usize>>,
    delivered: HashMap<u32, Delivered>,
    slices: Vec<Entry>,
    /// Numbers now, and then.
    numbers: HashMap<u32, u32>,
    /// Numbers now of what is outstanding, and why it fails if there is nothing to answer.
    outstanding: Vec<(u32, Option<Outcome>)>,
    /// The call that has just come.
    current: Option<usize>,
    function: &'static str,
    now_us: u64,
    slice: usize,
    is_begun: bool,
    is_refilled: bool,
    matched: u64,
    differences: Vec<Difference>,
}

impl Matching {
    /// What was called, and what it met, for a package that is a component, or none.
    pub(super) fn of(recording: &Recording, is_component: bool) -> Result<(Called, Self), ReplayError> {
        let called = Called::read(&recording.invocation)
            .ok_or(ReplayError::Unreadable("its invocation is not one of this host's"))?;
        let matching = Self::new(recording, &called, is_component)
            .ok_or(ReplayError::Unreadable("what completed is not of this host's kind"))?;
        Ok((called, matching))
    }

    fn new(recording: &Recording, called: &Called, is_component: bool) -> Option<Self> {
        let header = &recording.header;
        // The body of the request is numbered before anything else.
        let first_number = u32::from(called.has_stream());
        let mut matching = Self {
            is_across: matches!(called, Called::Component(_)) != is_component,
            joins_bodies: is_component,
            ended_us: (recording.end.ending == Ending::Waiting)
                .then(|| header.begun_us.saturating_add(header.limits.deadline_ms.saturating_mul(1_000))),
            recorded: Vec::new(),
            unused: HashMap::new(),
            delivered: HashMap::new(),
            slices: Vec::new(),
            numbers: (1..=first_number).map(|number| (number, number)).collect(),
            outstanding: Vec::new(),
            current: None,
            function: "",
            now_us: 0,
            slice: 0,
            is_begun: false,
            is_refilled: false,
            matched: 0,
            differences: Vec::new(),
        };
        let mut numbers = first_number;
        for (tag, payload) in Events::new(&recording.events) {
            match tag {
                Tag::Call => {
                    let (function, _) = split_call(payload)?;
                    let is_of_time = OF_TIME.contains(&function);
                    let is_numbered = !is_of_time && !NOT_NUMBERED.contains(&function);
                    numbers += u32::from(is_numbered);
                    if !is_of_time {
                        let index = matching.recorded.len();
                        matching.unused.entry(payload.to_vec()).or_default().push_back(index);
                    }
                    matching.recorded.push(Recorded {
                        payload: payload.to_vec(),
                        number: is_numbered.then_some(numbers),
                        answer: None,
                        is_used: false,
                    });
                }
                Tag::Answer => matching.recorded.last_mut()?.answer = Some(payload.to_vec()),
                Tag::Slice => {
                    let Slice { base_us, refill, completions, .. } = read(payload)?;
                    for (order, Completion { operation, outcome }) in completions.into_iter().enumerate() {
                        matching
                            .delivered
                            .insert(operation, Delivered { slice: matching.slices.len(), order, outcome });
                    }
                    matching.slices.push(Entry { base_us, refill });
                }
                Tag::Clock => {}
            }
        }
        Some(matching)
    }

    /// Operations that were recorded and had an outcome: function, arguments, outcome, in the order in which they began.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&str, &[u8], &Outcome)> {
        self.recorded.iter().filter_map(|call| {
            let (function, arguments) = split_call(&call.payload)?;
            Some((function, arguments, &self.delivered.get(&call.number?)?.outcome))
        })
    }

    /// A body that was read in pieces, as far as it was read.
    pub(super) fn body(&self, stream: u32) -> Vec<u8> {
        let mut whole = Vec::new();
        for (function, arguments, outcome) in self.outcomes() {
            let is_of_stream = || read::<(u32, u32)>(arguments).is_some_and(|(of, _)| of == stream);
            if let Outcome::Body(Ok(bodies::Reply::Chunk(Some(piece)))) = outcome
                && function == "bodies.read"
                && is_of_stream()
            {
                whole.extend_from_slice(piece);
            }
        }
        whole
    }

    /// Whether it is a difference when such a call is new, or gone. Between the two kinds what engines do for themselves is none: seeds and random
    /// bytes, bodies in pieces, and the console, which components have as their output.
    fn compares(&self, payload: &[u8]) -> bool {
        let Some((function, arguments)) = split_call(payload) else { return true };
        let is_console = || {
            matches!(
                read::<(log::Origin, IgnoredAny, IgnoredAny, IgnoredAny)>(arguments),
                Some((log::Origin::Console, ..))
            )
        };
        match function.split_once('.') {
            Some(("poll" | "clock", _)) => false,
            Some(("random" | "bodies" | "stdout" | "stderr", _)) => !self.is_across,
            Some(("log", _)) => !self.is_across || !is_console(),
            _ => true,
        }
    }

    pub(super) fn matched(&self) -> u64 {
        self.matched
    }

    /// The guest calls.
    pub(super) fn call(&mut self, function: &'static str, payload: &[u8]) {
        self.function = function;
        self.current = self.unused.get_mut(payload).and_then(VecDeque::pop_front);
        match self.current {
            Some(index) => {
                self.recorded[index].is_used = true;
                self.matched += 1;
            }
            None if self.compares(payload) => self.differ(Difference::Extra(text_of::call(payload))),
            None => {}
        }
    }

    /// The answer that was recorded to the call that has just come.
    pub(super) fn answer(&self) -> Option<&[u8]> {
        self.recorded[self.current?].answer.as_deref()
    }

    /// The call that has just come has a number.
    pub(super) fn numbered(&mut self, number: u32) {
        let recorded = self.current.and_then(|index| self.recorded[index].number);
        if let Some(recorded) = recorded {
            self.numbers.insert(number, recorded);
        }
        if self.function != "bodies.open" {
            let failure = recorded.is_none().then(|| failure(self.function));
            self.outstanding.push((number, failure));
        }
    }

    pub(super) fn cancelled(&mut self, number: u32) {
        self.outstanding.retain(|(other, _)| *other != number);
    }

    pub(super) fn recorded_number(&self, number: u32) -> u32 {
        // Another one than any that was recorded, if it has no counterpart.
        self.numbers.get(&number).copied().unwrap_or(u32::MAX - number)
    }

    /// Whether a wait until then is longer than the recorded call was there, which was ended while it waited.
    pub(super) fn is_past_end(&self, until_us: u64) -> bool {
        self.ended_us.is_some_and(|ended_us| until_us >= ended_us)
    }

    /// What the guest is entered with next; nothing when it waits for what never came.
    pub(super) fn slice(&mut self, wake_at_us: Option<u64>) -> Option<Slice> {
        let first = !std::mem::replace(&mut self.is_begun, true);
        if first {
            self.now_us = self.slices.first()?.base_us;
            return Some(self.entered(Vec::new()));
        }
        let (failing, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.outstanding).into_iter().partition(|(_, failure)| failure.is_some());
        self.outstanding = waiting;
        if !failing.is_empty() {
            let completions = failing
                .into_iter()
                .filter_map(|(operation, outcome)| Some(Completion { operation, outcome: outcome? }));
            return Some(self.entered(completions.collect()));
        }
        let place = |number: &u32| {
            let delivered = self.numbers.get(number).and_then(|recorded| self.delivered.get(recorded))?;
            Some((delivered.slice, delivered.order, *number))
        };
        let mut places: Vec<_> = self.outstanding.iter().filter_map(|(number, _)| place(number)).collect();
        places.sort_unstable();
        let next = places.first().map(|(slice, ..)| *slice);
        let at_us = next.and_then(|slice| self.slices.get(slice)).map(|entry| entry.base_us.max(self.now_us));
        match (at_us, wake_at_us) {
            (None, None) => return None,
            (None, Some(wake)) if self.is_past_end(wake) => return None,
            (None, Some(wake)) => self.now_us = self.now_us.max(wake),
            // A timer is due before.
            (Some(at), Some(wake)) if wake < at => self.now_us = self.now_us.max(wake),
            (Some(at), _) => {
                (self.now_us, self.slice) = (at, self.slice.max(next.unwrap_or(0)));
                let numbers = places.iter().filter(|(slice, ..)| Some(*slice) == next).map(|(.., number)| *number);
                let numbers: Vec<u32> = numbers.collect();
                let completions = numbers.iter().filter_map(|number| self.complete(*number)).collect();
                return Some(self.entered(completions));
            }
        }
        Some(self.entered(Vec::new()))
    }

    fn complete(&mut self, operation: u32) -> Option<Completion> {
        self.cancelled(operation);
        let Delivered { mut outcome, .. } = self.delivered.remove(self.numbers.get(&operation)?)?;
        if let Outcome::Http(Ok(response)) = &mut outcome
            && let Body::Stream(number) = response.body
        {
            response.body = if self.joins_bodies { Body::Bytes(self.body(number)) } else { Body::Stream(operation) };
        }
        Some(Completion { operation, outcome })
    }

    fn entered(&mut self, completions: Vec<Completion>) -> Slice {
        let reached = self.slices.iter().take(self.slice + 1).any(|entry| entry.refill);
        let refill = reached && !std::mem::replace(&mut self.is_refilled, reached);
        Slice { fuel: 0, base_us: self.now_us, refill, completions }
    }

    pub(super) fn differ(&mut self, difference: Difference) {
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(difference);
        }
    }

    /// What differs: with the calls that did not come.
    pub(super) fn finish(&mut self) -> Vec<Difference> {
        let missing = self.recorded.iter().filter(|call| !call.is_used && self.compares(&call.payload));
        let missing: Vec<_> = missing.map(|call| Difference::Missing(text_of::call(&call.payload))).collect();
        for difference in missing {
            self.differ(difference);
        }
        std::mem::take(&mut self.differences)
    }
}

/// The outcome of what was not recorded.
fn failure(function: &str) -> Outcome {
    let text = || "this call is not in the recording".to_owned();
    match function.split_once('.').map_or(function, |(interface, _)| interface) {
        "db" => Outcome::Db(Err(db::Error::Failed(text()))),
        "http" => Outcome::Http(Err(http::Error::Protocol(text()))),
        "bodies" => Outcome::Body(Err(bodies::Error::Broken(text()))),
        "crypto" => Outcome::Crypto(Err(crypto::Error::Failed(text()))),
        "kv" => Outcome::Kv(Err(Refusal::Failed(text()))),
        "secrets" => Outcome::Secrets(Err(Refusal::Failed(text()))),
        "events" => Outcome::Events(Err(Refusal::Failed(text()))),
        "custom" => Outcome::Custom(Err(custom::Error::Refused(Refusal::Failed(text())))),
        _ => Outcome::Jobs(Err(Refusal::Failed(text()))),
    }
}
