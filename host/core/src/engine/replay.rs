//! One invocation again, out of its recording: a fresh instance, entered with what it was entered with, answered with what it was answered. No
//! capability is there, no clock and no network. It ends where the recorded one ended, or where it first does something else.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::{Store, Trap};

use super::bindings::Applet;
use super::bindings::belljar::applet::types;
use super::imports::{Fuel, State};
use super::invoke::{self, finished, trapped};
use super::matching::{Difference, Matching};
use super::player::{Divergence, Player};
use super::prepare::Prepared;
use super::sandbox::Sandbox;
use super::tape::{Called, Tape, has_stream, recorded_fault, recorded_result};
use super::verdict::{Came, WAITS, comparison, verdict};
use crate::capability::http::HostBytes;
use crate::capability::opened::Capabilities;
use crate::floor::clock::Source;
use crate::floor::deadline::Deadline;
use crate::floor::fault::{Fault, Frame};
use crate::floor::limits::Limits;
use crate::recording::events::read;
use crate::recording::{Ending, RecordedResult, Recording};

/// Why a recording cannot be replayed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// What was recorded is not of this package.
    #[error(
        "the recording is of the package {recorded}, and this one is {given}: replay against it to see what differs"
    )]
    OtherPackage {
        /// Digest of the package that was recorded, or what there was instead.
        recorded: String,
        /// Digest of the one that was given.
        given: String,
    },
    /// What runs in a process cannot be given what was recorded.
    #[error(
        "the package runs in a process, and recordings are replayed in the sandbox only: give one with engine 'wasm' or 'component'"
    )]
    Process,
    /// The recording is intact, but what it holds makes no sense to this host.
    #[error("the recording cannot be replayed: {0}")]
    Unreadable(&'static str),
    /// The applet does not get as far as being called.
    #[error("the applet cannot be prepared")]
    Preparation(#[source] Fault),
    /// The host failed.
    #[error("the replay failed: {0}")]
    Host(String),
}

/// What came of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replay {
    /// All that was recorded came again.
    Equal(Replayed),
    /// Something came otherwise.
    Diverged(Divergence),
    /// It was to stop there, and did: with the JavaScript stack, innermost first.
    Stopped {
        /// Fuel burnt.
        fuel: u64,
        /// Where it was.
        frames: Vec<Frame>,
    },
}

/// What a replay without a difference has found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// Calls that agreed.
    pub calls: u64,
    /// Fuel burnt.
    pub fuel: u64,
    /// Whether fuel was compared: engines of other digests burn other fuel.
    pub is_fuel_compared: bool,
    /// Whether the recording was cut before the invocation ended: no more than what is there was compared.
    pub is_cut: bool,
    /// Where the invocation was when it was ended from outside, or by a limit.
    pub frames: Vec<Frame>,
}

/// What a replay runs with.
pub(crate) struct ReplayRun<'a, P = Prepared> {
    pub(crate) prepared: &'a P,
    pub(crate) recording: &'a Recording,
    /// None that do anything.
    pub(crate) capabilities: Capabilities,
    pub(crate) host_bytes: HostBytes,
    pub(crate) source: Arc<dyn Source>,
    /// Stops when so much fuel is burnt.
    pub(crate) fuel_until: Option<u64>,
}

/// How another package does what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// Calls that came again, in any order.
    pub calls: u64,
    /// What differs: the calls that came in addition, the calls that did not, and the end if it is another; at most 100 calls.
    pub differences: Vec<Difference>,
    /// Fuel then, and now; of different engines they say little.
    pub fuel_was: u64,
    /// See [`fuel_was`](Self::fuel_was).
    pub fuel: u64,
}

/// A replay never runs out of time: its caller may drop it.
pub(super) const DEADLINE_MS: u64 = 365 * 24 * 3_600_000;

/// The store's fuel, some of which may be held back so that the guest stops where it should.
struct Meter {
    withheld: u64,
    /// Why it was held back.
    stop: Option<StopAt>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum StopAt {
    /// The recorded invocation was ended from outside then.
    Kill,
    Until,
}

impl Meter {
    fn left(&self, store: &Store<State>) -> u64 {
        store.get_fuel().unwrap_or(0) + self.withheld
    }

    /// Leaves the guest no more than is to be burnt before it stops.
    fn enter(&mut self, store: &mut Store<State>, filled: Fuel, stops: &[(u64, StopAt)]) -> wasmtime::Result<()> {
        let left = self.left(store);
        let burnt = filled.burnt(left);
        let nearest = stops.iter().map(|(at, why)| (at.saturating_sub(burnt), *why)).min_by_key(|(left, _)| *left);
        let (given, stop) = match nearest {
            Some((given, why)) if given < left => (given, Some(why)),
            _ => (left, None),
        };
        (self.withheld, self.stop) = (left - given, stop);
        store.set_fuel(given)
    }
}

impl Sandbox {
    /// Replays an invocation; see [`Host::replay`](crate::Host::replay).
    pub(crate) async fn replay(&self, run: ReplayRun<'_>) -> Result<Replay, ReplayError> {
        let ReplayRun { prepared, recording, capabilities, host_bytes, source, fuel_until } = run;
        let invocation: types::Invocation =
            read(&recording.invocation).ok_or(ReplayError::Unreadable("its invocation is not one of this host's"))?;
        let limits = &recording.header.limits;
        let compares_fuel = recording.header.engine == self.digest.to_hex();
        let player = Tape::Replaying(Box::new(Player::new(recording, compares_fuel)));
        let deadline = Deadline::new(Instant::now(), DEADLINE_MS);
        let mut store = Store::new(
            &self.engine,
            State::new(limits, source, host_bytes, capabilities, prepared.positions.clone(), deadline, player),
        );
        store.limiter(|state| &mut state.limiter);
        let failed = |error: wasmtime::Error| ReplayError::Host(format!("{error:#}"));
        invoke::fuel(&mut store, limits.fuel_max).map_err(failed)?;

        let mut meter = Meter { withheld: 0, stop: None };
        let stepped =
            drive(&mut store, prepared, &invocation, recording, fuel_until.filter(|_| compares_fuel), &mut meter).await;
        let filled = store.data().fuel();
        let fuel = filled.burnt(meter.left(&store));
        let frames = match &stepped {
            Err(error) => self.frames(&mut store, error, &prepared.positions),
            Ok(_) => Vec::new(),
        };
        let state = store.data_mut();
        let player = take_player(state);
        let came = Came {
            fuel,
            frames,
            stopped: meter
                .stop
                .filter(|_| stepped.as_ref().is_err_and(|error| matches!(error.downcast_ref(), Some(Trap::OutOfFuel)))),
            counted: (state.operations(), state.host_calls),
            memory_bytes_peak: state.limiter.peak(),
        };
        verdict(player, recording, came, |frames| match stepped {
            Ok(types::Step::Done(types::Reply::Responded)) if state.has_responded() => None,
            Ok(step) => Some(recorded_result(finished(step, limits, &prepared.positions))),
            Err(error) => Some(recorded_fault(&Fault { frames: frames.to_vec(), ..trapped(&error, filled, fuel) })),
        })
    }
}

impl Sandbox {
    /// Has another package do what was recorded; see [`Host::replay_against`](crate::Host::replay_against).
    pub(crate) async fn replay_against(&self, run: ReplayRun<'_>, limits: &Limits) -> Result<Comparison, ReplayError> {
        let ReplayRun { prepared, recording, capabilities, host_bytes, source, .. } = run;
        let (called, matching) = Matching::of(recording, false)?;
        let invocation = match called {
            Called::Sandbox(invocation) => invocation,
            Called::Component(call) => call.into_invocation(),
        };
        let player = Tape::Replaying(Box::new(Player::against(recording, matching)));
        let deadline = Deadline::new(Instant::now(), DEADLINE_MS);
        let mut store = Store::new(
            &self.engine,
            State::new(limits, source, host_bytes, capabilities, prepared.positions.clone(), deadline, player),
        );
        store.limiter(|state| &mut state.limiter);
        invoke::fuel(&mut store, limits.fuel_max).map_err(|error| ReplayError::Host(format!("{error:#}")))?;

        let mut meter = Meter { withheld: 0, stop: None };
        let stepped = drive(&mut store, prepared, &invocation, recording, None, &mut meter).await;
        let filled = store.data().fuel();
        let fuel = filled.burnt(meter.left(&store));
        let has_responded = store.data().has_responded();
        let mut player = take_player(store.data_mut());
        let expected = &recording.end.result;
        let got = match stepped {
            _ if player.take_halt().is_some() => Err(WAITS),
            Ok(types::Step::Done(types::Reply::Responded)) if has_responded => match expected {
                RecordedResult::Streamed { .. } => Ok(expected.clone()),
                _ => Err("a response in pieces"),
            },
            Ok(step) => Ok(recorded_result(finished(step, limits, &prepared.positions))),
            Err(error) => Ok(recorded_fault(&trapped(&error, filled, fuel))),
        };
        comparison(player, recording, fuel, got)
    }
}

/// The player, for the verdict.
pub(super) fn take_player(state: &mut State) -> Player {
    match std::mem::replace(&mut state.tape, Tape::Off) {
        Tape::Replaying(player) => *player,
        // The replay has put one there.
        Tape::Off | Tape::Recording(_) => unreachable!("a replay has a player"),
    }
}

pub(super) fn player_of(state: &mut State) -> &mut Player {
    match &mut state.tape {
        Tape::Replaying(player) => player,
        // The replay has put one there, and nothing takes it away.
        Tape::Off | Tape::Recording(_) => unreachable!("a replay has a player"),
    }
}

async fn drive(
    store: &mut Store<State>,
    prepared: &Prepared,
    invocation: &types::Invocation,
    recording: &Recording,
    fuel_until: Option<u64>,
    meter: &mut Meter,
) -> wasmtime::Result<types::Step> {
    if has_stream(invocation) {
        store.data_mut().skip_number();
    }
    let until: Option<(u64, StopAt)> = fuel_until.map(|fuel| (fuel, StopAt::Until));
    let stops = |state: &mut State| -> Vec<(u64, StopAt)> {
        let player = player_of(state);
        let is_killed = player.compares_fuel()
            && recording.end.ending == Ending::Killed
            && !recording.end.is_cut
            && !player.has_slices();
        until.into_iter().chain(is_killed.then_some((recording.end.usage.fuel, StopAt::Kill))).collect()
    };
    let slice = player_of(store.data_mut()).slice(0, None)?;
    let stop = stops(store.data_mut());
    let filled = store.data().fuel();
    enter(meter, store, filled, &stop, slice.base_us)?;
    let applet: Applet = prepared.linked.instantiate_async(&mut *store).await?;
    let mut step = applet.call_start(&mut *store, invocation).await?;
    while let types::Step::Pending(wait) = &step {
        let wake_at_us = wait.wake_at_us;
        let left = meter.left(store);
        let burnt = store.data().fuel().burnt(left);
        let slice = player_of(store.data_mut()).slice(burnt, wake_at_us)?;
        if slice.refill {
            let state = store.data_mut();
            state.deadline.begin_waiting(DEADLINE_MS);
            if let Some(fuel) = state.refill(left) {
                meter.withheld = 0;
                store.set_fuel(fuel)?;
            }
        }
        let stop = stops(store.data_mut());
        let filled = store.data().fuel();
        enter(meter, store, filled, &stop, slice.base_us)?;
        step = applet.call_resume(&mut *store, &slice.completions).await?;
    }
    Ok(step)
}

/// Fills in the fuel of a slice, and sets the clock, which counts it.
fn enter(
    meter: &mut Meter,
    store: &mut Store<State>,
    filled: Fuel,
    stops: &[(u64, StopAt)],
    base_us: u64,
) -> wasmtime::Result<()> {
    meter.enter(store, filled, stops)?;
    let given = store.get_fuel()?;
    store.data_mut().repeat_slice(given, base_us);
    Ok(())
}
