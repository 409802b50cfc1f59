//! What a replay comes to, whatever ran it: all that was recorded came again, or something came otherwise; and what another package does otherwise.

use super::matching::Difference;
use super::player::{Divergence, Halt, Player, burnt};
use super::replay::{Comparison, Replay, ReplayError, Replayed, StopAt};
use crate::floor::fault::Frame;
use crate::recording::events::write;
use crate::recording::{Ending, RecordedResult, Recording, text_of};

/// How far a replay came.
pub(super) struct Came {
    /// Fuel burnt.
    pub(super) fuel: u64,
    /// Where it was, if it did not end by itself.
    pub(super) frames: Vec<Frame>,
    /// Why fuel was held back that it would have needed to go on.
    pub(super) stopped: Option<StopAt>,
    /// Operations, and calls of the host.
    pub(super) counted: (u64, u64),
    pub(super) memory_bytes_peak: u64,
}

/// Compares the end. `got` makes what the guest came to by itself; nothing when it responded in pieces, which were among its calls.
pub(super) fn verdict(
    mut player: Player,
    recording: &Recording,
    came: Came,
    got: impl FnOnce(&[Frame]) -> Option<RecordedResult>,
) -> Result<Replay, ReplayError> {
    let Came { fuel, frames, stopped, counted, memory_bytes_peak } = came;
    let (calls, compares_fuel) = (player.calls(), player.compares_fuel());
    let diverged = |expected: String, got: String, frames: Vec<Frame>| {
        Ok(Replay::Diverged(Divergence { calls, expected, got, fuel, frames }))
    };
    let equal =
        |frames, is_cut| Ok(Replay::Equal(Replayed { calls, fuel, is_fuel_compared: compares_fuel, is_cut, frames }));
    // A player that has ended the replay knows why; else the guest has come to an end by itself.
    let halt = match (player.take_halt(), stopped) {
        (Some(halt), _) => Some(halt),
        (None, Some(StopAt::Until)) => return Ok(Replay::Stopped { fuel, frames }),
        (None, Some(StopAt::Kill)) => {
            let _ = player.killed();
            Some(player.take_halt().unwrap_or(Halt::Ended))
        }
        (None, None) => {
            let _ = player.finish();
            player.take_halt()
        }
    };
    let was = &recording.end.usage;
    let compared_fuel = || (compares_fuel && fuel != was.fuel).then(|| (burnt(was.fuel), burnt(fuel)));
    match halt {
        Some(Halt::Unreadable(why)) => return Err(ReplayError::Unreadable(why)),
        Some(Halt::Diverged(expected, got)) => return diverged(expected, got, frames),
        Some(Halt::Cut) => return equal(frames, true),
        Some(Halt::Ended) => {
            return match compared_fuel() {
                Some((expected, got)) => diverged(expected, got, frames),
                None => equal(frames, false),
            };
        }
        None => {}
    }
    let expected = &recording.end.result;
    match got(&frames) {
        // What was streamed is among the calls; what came of it after the last step is not the guest's.
        None if matches!(expected, RecordedResult::Streamed { .. } | RecordedResult::Fault { .. }) => {}
        None => return diverged(shown(expected), "a response in pieces".into(), frames),
        Some(_) if recording.end.ending == Ending::AfterLastStep => {}
        Some(got) if is_same(&got, expected, compares_fuel) => {}
        Some(got) => return diverged(shown(expected), shown(&got), frames),
    }
    if let Some((expected, got)) = compared_fuel() {
        return diverged(expected, got, frames);
    }
    if compares_fuel && counted != (was.operations, was.host_calls) {
        let told = |(operations, calls): (u64, u64)| format!("{operations} operations in {calls} calls of the host");
        return diverged(told((was.operations, was.host_calls)), told(counted), frames);
    }
    if compares_fuel && memory_bytes_peak != was.memory_bytes_peak {
        let told = |bytes: u64| format!("{bytes} bytes of memory at most");
        return diverged(told(was.memory_bytes_peak), told(memory_bytes_peak), frames);
    }
    equal(frames, false)
}

/// Why there is no end to compare: a call came that was recorded, and its outcome was not.
pub(super) const WAITS: &str = "an end that never comes: it waits for what was not recorded";

/// How another package has done it. `got` is what it has come to, or a word in place of that.
pub(super) fn comparison(
    mut player: Player,
    recording: &Recording,
    fuel: u64,
    got: Result<RecordedResult, &str>,
) -> Result<Comparison, ReplayError> {
    let Some(matching) = player.matching() else { return Err(ReplayError::Unreadable("nothing is compared")) };
    let expected = &recording.end.result;
    // Frames differ with every line that was edited.
    let differs = match (&got, expected) {
        (Ok(RecordedResult::Fault { code, message, .. }), RecordedResult::Fault { code: was, message: said, .. }) => {
            (code, message) != (was, said)
        }
        (Ok(got), expected) => got != expected,
        (Err(_), _) => recording.end.ending != Ending::Waiting,
    };
    if differs {
        let got = got.map_or_else(str::to_owned, |result| shown(&result));
        matching.differ(Difference::Result { expected: shown(expected), got });
    }
    let differences = matching.finish();
    Ok(Comparison { calls: matching.matched(), differences, fuel_was: recording.end.usage.fuel, fuel })
}

/// Whether results are the same; without `compares_fuel` also when only the figures of a limit differ.
fn is_same(got: &RecordedResult, expected: &RecordedResult, compares_fuel: bool) -> bool {
    match (got, expected) {
        (RecordedResult::Fault { code, .. }, RecordedResult::Fault { code: was, .. }) if !compares_fuel => code == was,
        _ => got == expected,
    }
}

fn shown(result: &RecordedResult) -> String {
    let mut bytes = Vec::new();
    match result {
        RecordedResult::Value(None) => "the answer undefined".into(),
        RecordedResult::Value(Some(json)) => format!("the answer {}", text_of::cut(json)),
        RecordedResult::Fault { code, message, .. } => format!("the fault {code} ({})", text_of::cut(message)),
        RecordedResult::Http { .. } | RecordedResult::Streamed { .. } => {
            write(&mut bytes, result);
            format!("the response {}", text_of::value(&bytes))
        }
    }
}
