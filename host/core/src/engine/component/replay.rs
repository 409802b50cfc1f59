//! One call of a component again, out of its recording: as `engine/replay.rs` does with the engine of JavaScript, in one piece, because a
//! component that waits is not entered again.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use wasmtime::Trap;

use super::invoke::{fault, frames, handle};
use super::types::CallRecord;
use super::{Components, PreparedComponent};
use crate::engine::imports::State;
use crate::engine::invoke::{NO_PLACE, fuel};
use crate::engine::matching::Matching;
use crate::engine::player::Player;
use crate::engine::replay::{Comparison, DEADLINE_MS, Replay, ReplayError, ReplayRun, StopAt, player_of, take_player};
use crate::engine::tape::{Called, Tape, recorded_fault, recorded_result};
use crate::engine::verdict::{Came, WAITS, comparison, verdict};
use crate::floor::clock::Virtual;
use crate::floor::deadline::Deadline;
use crate::floor::fault::Fault;
use crate::floor::limits::Limits;
use crate::positions::Positions;
use crate::recording::Ending;
use crate::recording::events::read;

impl Components {
    /// Replays a call; see [`Host::replay`](crate::Host::replay).
    pub(crate) async fn replay(&self, run: ReplayRun<'_, PreparedComponent>) -> Result<Replay, ReplayError> {
        let ReplayRun { prepared, recording, capabilities, host_bytes, source, fuel_until } = run;
        let call: CallRecord =
            read(&recording.invocation).ok_or(ReplayError::Unreadable("its call is not one of this host's"))?;
        let Ok(_place) = self.places.try_acquire() else {
            return Err(ReplayError::Host(NO_PLACE.into()));
        };
        let limits = &recording.header.limits;
        // The component is the recorded one; what its calls cost is this Belljar's.
        let compares_fuel = recording.header.belljar == env!("CARGO_PKG_VERSION");
        let tape = Tape::Replaying(Box::new(Player::new(recording, compares_fuel)));
        let deadline = Deadline::new(Instant::now(), DEADLINE_MS);
        let positions = Arc::new(Positions::unmapped());
        let state = State::new(limits, source, host_bytes, capabilities, positions, deadline, tape);
        let mut store = self.store(state, limits, Arc::new(AtomicU64::new(limits.fuel_max)));

        let until = fuel_until.filter(|_| compares_fuel).map(|fuel| (fuel, StopAt::Until));
        let kill = player_of(&mut store.data_mut().state).killed_at().map(|fuel| (fuel, StopAt::Kill));
        let nearest = until.into_iter().chain(kill).min_by_key(|(fuel, _)| *fuel);
        let stop = nearest.filter(|(fuel, _)| *fuel < limits.fuel_max);
        let given = stop.map_or(limits.fuel_max, |(fuel, _)| fuel);
        store.data_mut().fuel_withheld = limits.fuel_max - given;
        fuel(&mut store, given).map_err(|error| ReplayError::Host(format!("{error:#}")))?;

        let state = &mut store.data_mut().state;
        let handled = match player_of(state).slice(0, None) {
            Ok(slice) => {
                state.repeat_slice(given, slice.base_us);
                handle(&mut store, prepared, &call, limits).await
            }
            Err(error) => Err(error),
        };
        let out_of_fuel = handled.as_ref().is_err_and(|error| matches!(error.downcast_ref(), Some(Trap::OutOfFuel)));
        let stopped = stop.map(|(_, why)| why).filter(|_| out_of_fuel);
        let fuel_left = store.get_fuel().unwrap_or(0);
        let guest = store.data_mut();
        match stopped {
            Some(StopAt::Until) => {}
            Some(StopAt::Kill) => guest.end_output(Ending::Killed, fuel_left),
            None if player_of(&mut guest.state).has_halted() => {}
            None => guest.end_output(Ending::Finished, fuel_left),
        }
        let (burnt, filled) = (guest.burnt(fuel_left), guest.state.fuel());
        let player = take_player(&mut guest.state);
        let came = Came {
            fuel: burnt,
            frames: handled.as_ref().err().map(|error| frames(error, &prepared.file)).unwrap_or_default(),
            stopped,
            counted: (guest.state.operations(), guest.state.host_calls),
            memory_bytes_peak: guest.state.limiter.peak(),
        };
        verdict(player, recording, came, |frames| {
            Some(match &handled {
                Ok(result) => recorded_result(result.clone()),
                Err(error) => recorded_fault(&Fault { frames: frames.to_vec(), ..fault(guest, error, filled, burnt) }),
            })
        })
    }

    /// Has a component do what was recorded of another package; see [`Host::replay_against`](crate::Host::replay_against).
    pub(crate) async fn replay_against(
        &self,
        run: ReplayRun<'_, PreparedComponent>,
        limits: &Limits,
    ) -> Result<Comparison, ReplayError> {
        let ReplayRun { prepared, recording, capabilities, host_bytes, .. } = run;
        let (called, matching) = Matching::of(recording, true)?;
        let call = match called {
            Called::Component(call) => call,
            Called::Sandbox(invocation) => CallRecord::of_invocation(invocation, |stream| matching.body(stream))
                .ok_or(ReplayError::Unreadable("it is of a program"))?,
        };
        let Ok(_place) = self.places.try_acquire() else {
            return Err(ReplayError::Host(NO_PLACE.into()));
        };
        // Its timers are its own: each is due when it is waited for.
        let time = Virtual::new(recording.header.begun_us, 0);
        let time = if recording.header.is_time_virtual { time } else { time.with_fuel_clock() };
        let tape = Tape::Replaying(Box::new(Player::against(recording, matching)));
        let deadline = Deadline::new(Instant::now(), DEADLINE_MS);
        let positions = Arc::new(Positions::unmapped());
        let state = State::new(limits, Arc::new(time), host_bytes, capabilities, positions, deadline, tape);
        let mut store = self.store(state, limits, Arc::new(AtomicU64::new(limits.fuel_max)));
        fuel(&mut store, limits.fuel_max).map_err(|error| ReplayError::Host(format!("{error:#}")))?;

        let state = &mut store.data_mut().state;
        let handled = match player_of(state).slice(0, None) {
            Ok(slice) => {
                state.go_on(limits.fuel_max, slice.base_us);
                handle(&mut store, prepared, &call, limits).await
            }
            Err(error) => Err(error),
        };
        let fuel_left = store.get_fuel().unwrap_or(0);
        let guest = store.data_mut();
        // What it has written by then was told when it called.
        if !player_of(&mut guest.state).has_halted() {
            guest.end_output(Ending::Finished, fuel_left);
        }
        let (burnt, filled) = (guest.burnt(fuel_left), guest.state.fuel());
        let mut player = take_player(&mut guest.state);
        let got = match &handled {
            _ if player.take_halt().is_some() => Err(WAITS),
            Ok(result) => Ok(recorded_result(result.clone())),
            Err(error) => Ok(recorded_fault(&fault(guest, error, filled, burnt))),
        };
        comparison(player, recording, burnt, got)
    }
}
