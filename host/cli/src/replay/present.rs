//! What came of replays, for people and for programs.

use std::fmt::Write as _;
use std::path::Path;

use belljar::{Comparison, Difference, Recording, Replay, Replayed};
use serde_json::{Value, json};

use super::Done;
use crate::exit_codes;
use crate::present::{grouped, stack};
use crate::sources::Sources;
use crate::terminal::{Paint, lines, one_line};

/// How many of each kind there are.
#[derive(Default)]
pub(super) struct Counts {
    equal: usize,
    diverged: usize,
    failed: usize,
}

impl Counts {
    pub(super) fn of(done: &[Done]) -> Self {
        let mut counts = Self::default();
        for one in done {
            match one {
                Done::Failed(_) => counts.failed += 1,
                one if is_equal(one) => counts.equal += 1,
                _ => counts.diverged += 1,
            }
        }
        counts
    }

    pub(super) fn is_equal(&self) -> bool {
        self.diverged == 0 && self.failed == 0
    }

    pub(super) fn exit_code(&self) -> i32 {
        match (self.failed, self.diverged) {
            (0, 0) => exit_codes::OK,
            (0, _) => exit_codes::DIVERGED,
            _ => exit_codes::FAILED,
        }
    }

    pub(super) fn text(&self) -> String {
        let Self { equal, diverged, failed } = self;
        let all = grouped((equal + diverged + failed) as u64);
        format!(
            "{all} recordings: {} equal, {} differ, {} could not be replayed\n",
            grouped(*equal as u64),
            grouped(*diverged as u64),
            grouped(*failed as u64)
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({ "equal": self.equal, "diverged": self.diverged, "failed": self.failed })
    }
}

/// Whether all that was compared is the same.
pub(super) fn is_equal(done: &Done) -> bool {
    match done {
        Done::Replayed { replay, .. } => !matches!(replay, Replay::Diverged(_)),
        Done::Compared { comparison, .. } => comparison.differences.is_empty(),
        Done::Failed(_) => false,
    }
}

/// Whose invocation it was, and how it ended.
pub(super) fn head(recording: &Recording) -> String {
    let header = recording.header();
    let what = match &header.package {
        Some(_) => format!("{} of {} {}", header.handler, header.applet, header.version),
        None => "a program".into(),
    };
    let ended = match recording.fault() {
        Some((code, message)) => format!("{code}: {}", one_line(message)),
        None => "answered".into(),
    };
    format!("{}: {} for {}, {ended}\n", one_line(&header.invocation), one_line(&what), one_line(&header.tenant))
}

pub(super) fn text(path: &Path, done: &Done, paint: Paint) -> String {
    match done {
        Done::Failed(failure) => {
            let hint = failure.hint.as_ref().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
            format!("{}\n{hint}", lines(&failure.message))
        }
        Done::Compared { recording, comparison } => head(recording) + &compared(comparison),
        Done::Replayed { recording, replay, sources } => {
            let mut text = head(recording);
            match replay {
                Replay::Equal(replayed) => equal(&mut text, replayed, recording, sources, paint),
                Replay::Stopped { fuel, frames } => {
                    let _ = writeln!(text, "  stopped at {} fuel:", grouped(*fuel));
                    stack(&mut text, frames, "", true, sources, paint);
                }
                Replay::Diverged(divergence) => {
                    let _ = writeln!(
                        text,
                        "  DIFFERS after {} calls that agree, at {} fuel",
                        grouped(divergence.calls),
                        grouped(divergence.fuel)
                    );
                    let _ = writeln!(text, "    expected: {}", one_line(&divergence.expected));
                    let _ = writeln!(text, "    got:      {}", one_line(&divergence.got));
                    stack(&mut text, &divergence.frames, "  ", false, sources, paint);
                    if recording.header().has_stand_ins {
                        text.push_str(
                            "  secrets were replaced when it was recorded: what is computed from their bytes differs\n",
                        );
                    }
                }
                other => {
                    let _ = writeln!(text, "  {other:?}, in {}", path.display());
                }
            }
            text
        }
    }
}

fn equal(text: &mut String, replayed: &Replayed, recording: &Recording, sources: &Sources, paint: Paint) {
    let up_to = if replayed.is_cut { " up to where the recording is cut" } else { "" };
    let fuel = grouped(replayed.fuel);
    let _ = match replayed.is_fuel_compared {
        true => writeln!(text, "  equal{up_to}: {} calls, {fuel} fuel", grouped(replayed.calls)),
        false => writeln!(
            text,
            "  equal{up_to} but for fuel: {} calls and the end; it was recorded with another engine ({}), whose fuel and time cannot be compared",
            grouped(replayed.calls),
            &recording.header().engine.get(..12).unwrap_or_default()
        ),
    };
    // Of an end that came from outside the replay alone knows where it was.
    let (frames, is_kill) =
        if replayed.frames.is_empty() { (recording.frames(), false) } else { (replayed.frames.clone(), true) };
    if !frames.is_empty() {
        text.push_str("  it ended here:\n");
        stack(text, &frames, "", is_kill, sources, paint);
    }
}

fn compared(comparison: &Comparison) -> String {
    let Comparison { calls, differences, fuel_was, fuel, .. } = comparison;
    let change = format!("{} fuel, was {}", grouped(*fuel), grouped(*fuel_was));
    if differences.is_empty() {
        return format!("  equal: {} calls and the end; {change}\n", grouped(*calls));
    }
    let mut text = format!("  DIFFERS; {} calls agree; {change}\n", grouped(*calls));
    for difference in differences {
        let _ = match difference {
            Difference::Result { expected, got } => {
                writeln!(text, "    expected: {}\n    got:      {}", one_line(expected), one_line(got))
            }
            other => writeln!(text, "    {}", one_line(&other.to_string())),
        };
    }
    text
}

/// One recording for programs.
pub(super) fn json(path: &Path, done: &Done) -> Value {
    let file = path.display().to_string();
    match done {
        Done::Failed(failure) => {
            json!({ "file": file, "outcome": "failed", "code": failure.code, "message": failure.message })
        }
        Done::Compared { recording, comparison } => json!({
            "file": file,
            "invocation": recording.header().invocation,
            "outcome": if comparison.differences.is_empty() { "equal" } else { "diverged" },
            "calls": comparison.calls,
            "fuel": comparison.fuel,
            "fuel_was": comparison.fuel_was,
            "differences": comparison.differences.iter().map(difference).collect::<Vec<_>>(),
        }),
        Done::Replayed { recording, replay, .. } => {
            let mut object = match replay {
                Replay::Equal(replayed) => json!({
                    "outcome": "equal",
                    "calls": replayed.calls,
                    "fuel": replayed.fuel,
                    "fuel_compared": replayed.is_fuel_compared,
                    "cut": replayed.is_cut,
                    "frames": replayed.frames,
                }),
                Replay::Stopped { fuel, frames } => json!({ "outcome": "stopped", "fuel": fuel, "frames": frames }),
                Replay::Diverged(divergence) => json!({
                    "outcome": "diverged",
                    "calls": divergence.calls,
                    "fuel": divergence.fuel,
                    "expected": divergence.expected,
                    "got": divergence.got,
                    "frames": divergence.frames,
                    "secrets_replaced": recording.header().has_stand_ins,
                }),
                other => json!({ "outcome": format!("{other:?}") }),
            };
            object["file"] = file.into();
            object["invocation"] = recording.header().invocation.clone().into();
            object
        }
    }
}

fn difference(difference: &Difference) -> Value {
    match difference {
        Difference::Missing(call) => json!({ "missing": call }),
        Difference::Extra(call) => json!({ "extra": call }),
        Difference::Result { expected, got } => json!({ "expected": expected, "got": got }),
        other => json!(other.to_string()),
    }
}
