//! How faults, failures and usage look to people, on stderr.

use std::fmt::Write as _;

use belljar::{ErrorRole, Fault, Frame, ThrownError, Usage};

use crate::failure::Failure;
use crate::hints;
use crate::problems;
use crate::sources::Sources;
use crate::terminal::{self, Paint, cut, lines, one_line};

/// Bytes kept of one message of an applet's; an applet can throw megabytes.
const MESSAGE_BYTES_MAX: usize = 16 << 10;
/// Bytes kept of a name.
const NAME_BYTES_MAX: usize = 512;
/// Errors kept of one fault; the guest sends no more.
const ERRORS_MAX: usize = 16;
/// Frames shown of one error.
const FRAMES_SHOWN: usize = 10;

/// Cuts what an applet has made huge, before it is shown or put into JSON.
pub(crate) fn bounded(mut fault: Fault) -> Fault {
    cut(&mut fault.message, MESSAGE_BYTES_MAX);
    fault.errors.truncate(ERRORS_MAX);
    for error in &mut fault.errors {
        cut(&mut error.name, NAME_BYTES_MAX);
        cut(&mut error.message, MESSAGE_BYTES_MAX);
        if let Some(code) = &mut error.code {
            cut(code, NAME_BYTES_MAX);
        }
        let too_large = |details: &serde_json::Value| details.to_string().len() > MESSAGE_BYTES_MAX;
        if error.details.as_ref().is_some_and(too_large) {
            error.details = Some("(too large to be shown)".into());
        }
        for frame in &mut error.frames {
            cut(&mut frame.function, NAME_BYTES_MAX);
            cut(&mut frame.file, NAME_BYTES_MAX);
        }
    }
    fault
}

/// A fault of an applet: `error[code]: message`, where it happened with the author's lines, the limit, causes, and a hint.
pub(crate) fn fault(fault: &Fault, sources: &Sources, paint: Paint) -> String {
    let head = paint.error(&format!("error[{}]", fault.code));
    let mut text = format!("{head}: {}\n", paint.bold(&lines(&fault.message)));
    for (index, error) in in_order(&fault.errors) {
        let indent = "  ".repeat(depth(&fault.errors, index));
        if index > 0 {
            let label = match error.role {
                ErrorRole::Member => "one of its errors:",
                _ => "caused by:",
            };
            // Further lines of a message are indented: none of them passes for a line of ours.
            let title = title(error).replace('\n', &format!("\n{indent}  "));
            let _ = writeln!(text, "{indent}{} {title}", paint.bold(label));
        }
        stack(&mut text, &error.frames, &indent, false, sources, paint);
        if let Some(code) = &error.code {
            let _ = writeln!(text, "{indent}code: {}", one_line(code));
        }
        if let Some(details) = &error.details {
            let _ = writeln!(text, "{indent}details: {}", terminal::json(&details.to_string()));
        }
    }
    stack(&mut text, &fault.frames, "", true, sources, paint);
    if let Some(hit) = &fault.limit {
        let _ = writeln!(text, "limit: {}, allowed {}, used {}", hit.name, grouped(hit.allowed), grouped(hit.used));
    }
    let _ = writeln!(text, "{} {}", paint.hint("hint:"), hints::of_fault(fault));
    text
}

/// The errors of a fault, each after the one it belongs to, with its place in the fault.
fn in_order(errors: &[ThrownError]) -> Vec<(usize, &ThrownError)> {
    fn visit<'a>(errors: &'a [ThrownError], at: usize, found: &mut Vec<(usize, &'a ThrownError)>) {
        found.push((at, &errors[at]));
        for (index, error) in errors.iter().enumerate().skip(at + 1) {
            if error.parent == at {
                visit(errors, index, found);
            }
        }
    }
    let mut found = Vec::with_capacity(errors.len());
    if !errors.is_empty() {
        visit(errors, 0, &mut found);
    }
    found
}

/// How deep an error is shown: what another one gathers stands below it, a cause beside what it caused.
fn depth(errors: &[ThrownError], index: usize) -> usize {
    let error = &errors[index];
    let own = usize::from(error.role == ErrorRole::Member);
    if index == 0 { 0 } else { own + depth(errors, error.parent) }
}

/// Frames, the first of the author's with its line; those of packages matter less. `is_kill` for the stack of a call that a limit ended.
pub(crate) fn stack(text: &mut String, frames: &[Frame], indent: &str, is_kill: bool, sources: &Sources, paint: Paint) {
    // A recursion is the same frame again and again.
    let runs: Vec<&[Frame]> = frames.chunk_by(|one, other| one == other).collect();
    let marked = runs.iter().position(|run| run[0].in_author_file).unwrap_or(0);
    let shown = FRAMES_SHOWN.max(marked + 1);
    for (index, run) in runs.iter().enumerate().take(shown) {
        let frame = &run[0];
        let recorded = if is_kill && index == 0 { ", the last position recorded" } else { "" };
        let times = if run.len() > 1 { format!(", {} times", run.len()) } else { String::new() };
        let line = format!("  at {}{}{recorded}{times}", place(frame), function(frame));
        let _ = writeln!(text, "{indent}{}", if frame.in_author_file { line } else { paint.dim(&line) });
        if index == marked {
            text.push_str(&sources.snippet(frame, indent, paint).unwrap_or_default());
        }
    }
    let hidden: usize = runs.iter().skip(shown).map(|run| run.len()).sum();
    if hidden > 0 {
        let _ = writeln!(text, "{indent}{}", paint.dim(&format!("  … {hidden} more")));
    }
}

/// An uncaught error as a shell shows it: `Name: message` on a line of its own, then the stack, innermost first. Where people look, the
/// line is shown as well.
pub(crate) fn uncaught(fault: &Fault, sources: &Sources, paint: Paint) -> String {
    let mut text = String::new();
    if fault.errors.is_empty() {
        let _ = writeln!(text, "{}", lines(&fault.message));
        for frame in &fault.frames {
            let _ = writeln!(text, "    at {}{}", place(frame), function(frame));
        }
        return text;
    }
    for (index, error) in in_order(&fault.errors) {
        let indent = "  ".repeat(depth(&fault.errors, index));
        // Further lines of a message are indented: none of them passes for a line of ours.
        let title = title(error).replace('\n', &format!("\n{indent}    "));
        let label = match error.role {
            _ if index == 0 => "",
            ErrorRole::Member => "Error among them: ",
            _ => "Caused by: ",
        };
        let _ = writeln!(text, "{indent}{label}{}", if index == 0 { paint.error(&title) } else { title });
        for (index, frame) in error.frames.iter().enumerate() {
            let name = one_line(&frame.function);
            let at = place(frame);
            let line = if name.is_empty() { format!("    at {at}") } else { format!("    at {name} ({at})") };
            let _ = writeln!(text, "{indent}{}", paint.dim(&line));
            if index == 0 && paint.on {
                text.push_str(&sources.snippet(frame, &format!("{indent}  "), paint).unwrap_or_default());
            }
        }
    }
    text
}

/// A failed command: problems with their lines, or `error: message` and a hint. With `json` it is an object on stdout.
pub(crate) fn failure(failure: &Failure, json: bool) {
    if json {
        let mut fault = serde_json::json!({ "code": failure.code, "message": failure.message });
        if !failure.problems.is_empty() {
            fault["problems"] = failure.problems.iter().map(belljar_build::Problem::to_json).collect();
        }
        let object = serde_json::json!({ "ok": false, "fault": fault });
        // When stdout is gone, the exit code tells.
        let _ = terminal::stdout(format!("{}\n", terminal::json(&object.to_string())).as_bytes());
        return;
    }
    let paint = terminal::stderr_paint();
    problems::show(&failure.problems);
    let mut text = format!("{}: {}\n", paint.error(&format!("error[{}]", failure.code)), lines(&failure.message));
    if let Some(hint) = &failure.hint {
        let _ = writeln!(text, "{} {}", paint.hint("hint:"), one_line(hint));
    }
    terminal::stderr(&text);
}

/// What an invocation used, on one line.
pub(crate) fn usage(usage: &Usage) -> String {
    let Usage {
        fuel,
        memory_bytes_peak,
        wall_us,
        operations,
        host_calls,
        db,
        http,
        crypto,
        kv,
        events,
        jobs,
        custom,
        log,
    } = usage;
    let mut text = format!(
        "usage: {} fuel, {:.1} MiB memory, {:.3} ms, {host_calls} host calls, {operations} operations",
        grouped(*fuel),
        *memory_bytes_peak as f64 / f64::from(1 << 20),
        *wall_us as f64 / 1_000.0,
    );
    if db.statements > 0 {
        let _ = write!(text, "; db {} statements, {} rows", db.statements, db.rows);
    }
    if http.requests > 0 {
        let _ = write!(
            text,
            "; http {} requests, {} bytes out, {} in",
            http.requests, http.bytes_sent, http.bytes_received
        );
    }
    if crypto.operations > 0 {
        let _ = write!(text, "; crypto {} operations, {} bytes", crypto.operations, crypto.bytes);
    }
    if kv.reads + kv.writes > 0 {
        let _ = write!(text, "; kv {} reads, {} writes", kv.reads, kv.writes);
    }
    if events.published + jobs.enqueued > 0 {
        let _ = write!(text, "; {} events, {} jobs", events.published, jobs.enqueued);
    }
    for (name, used) in custom {
        let _ = write!(text, "; {name} {} calls", used.calls);
    }
    if log.lines + log.lines_dropped > 0 {
        let _ = write!(text, "; log {} lines, {} dropped", log.lines, log.lines_dropped);
    }
    text.push('\n');
    text
}

fn title(error: &ThrownError) -> String {
    match (error.name.as_str(), error.message.as_str()) {
        ("", message) => lines(message),
        (name, "") => one_line(name),
        (name, message) => format!("{}: {}", one_line(name), lines(message)),
    }
}

fn place(frame: &Frame) -> String {
    one_line(&frame.to_string())
}

fn function(frame: &Frame) -> String {
    if frame.function.is_empty() { String::new() } else { format!(" ({})", one_line(&frame.function)) }
}

/// Digits in groups of three.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use belljar::{FaultCode, LimitHit};

    use super::*;

    const PLAIN: Paint = Paint { on: false };

    fn thrown(name: &str, message: &str) -> ThrownError {
        let frame = Frame { function: "f".into(), file: "src/x.ts".into(), line: 1, column: 3, in_author_file: true };
        ThrownError {
            role: ErrorRole::Cause,
            parent: 0,
            name: name.into(),
            message: message.into(),
            code: None,
            details: None,
            frames: vec![frame],
        }
    }

    fn example(errors: Vec<ThrownError>) -> Fault {
        Fault {
            code: FaultCode::Threw,
            message: "TypeError: no\u{1b}[2J".into(),
            limit: None,
            errors,
            frames: Vec::new(),
        }
    }

    #[test]
    fn a_fault_tells_where_and_what_to_do() {
        let sources = Sources::of_text("src/x.ts", "  throw it;");
        let shown = fault(&example(vec![thrown("TypeError", "no"), thrown("Error", "why")]), &sources, PLAIN);
        let expected = "error[threw]: TypeError: no\\u001b[2J\n  at src/x.ts:1:3 (f)\n    1 |   throw it;\n      |   ^\ncaused by: Error: why\n";
        assert!(shown.starts_with(expected), "{shown}");
        assert!(shown.lines().last().is_some_and(|line| line.starts_with("hint: ")), "{shown}");
    }

    #[test]
    fn what_an_error_gathers_stands_below_it() {
        let of = |name: &str, role, parent| ThrownError { role, parent, frames: Vec::new(), ..thrown(name, "m") };
        let errors = vec![
            of("AggregateError", ErrorRole::Thrown, 0),
            of("First", ErrorRole::Member, 0),
            of("Second", ErrorRole::Member, 0),
            of("WhyFirst", ErrorRole::Cause, 1),
        ];
        let shown = fault(&example(errors.clone()), &Sources::default(), PLAIN);
        let expected = "  one of its errors: First: m\n  caused by: WhyFirst: m\n  one of its errors: Second: m\nhint:";
        assert!(shown.contains(expected), "{shown}");
        let shown = uncaught(&example(errors), &Sources::default(), PLAIN);
        assert_eq!(
            shown,
            "AggregateError: m\n  Error among them: First: m\n  Caused by: WhyFirst: m\n  Error among them: Second: m\n"
        );
    }

    #[test]
    fn the_authors_line_is_marked_and_packages_matter_less() {
        let frame = |file: &str, in_author_file| Frame {
            function: String::new(),
            file: file.into(),
            line: 1,
            column: 1,
            in_author_file,
        };
        let mut error = thrown("Error", "deep");
        error.frames = (0..12)
            .map(|n| frame(&format!("node_modules/p/{n}.js"), false))
            .chain([frame("src/x.ts", true), frame("src/y.ts", true)])
            .collect();
        let sources = Sources::of_text("src/x.ts", "call();");
        let shown = fault(&example(vec![error]), &sources, Paint { on: true });
        assert!(shown.contains("\u{1b}[2m  at node_modules/p/0.js:1:1\u{1b}[0m\n"), "{shown}");
        assert!(
            shown.contains("\n  at src/x.ts:1:1\n") && shown.contains("call();") && shown.contains("… 1 more"),
            "{shown}"
        );
    }

    #[test]
    fn a_recursion_is_one_line() {
        let mut error = thrown("RangeError", "deep");
        error.frames = vec![error.frames[0].clone(); 32];
        let shown = fault(&example(vec![error]), &Sources::default(), PLAIN);
        assert!(shown.contains("\n  at src/x.ts:1:3 (f), 32 times\nhint:"), "{shown}");
    }

    #[test]
    fn a_limit_tells_its_numbers() {
        let hit = LimitHit { name: "fuel_max", allowed: 1_000, used: 1_234_567 };
        let limited = Fault {
            code: FaultCode::Fuel,
            message: hit.to_string(),
            limit: Some(hit),
            errors: Vec::new(),
            frames: Vec::new(),
        };
        let shown = fault(&limited, &Sources::default(), PLAIN);
        assert!(shown.contains("\nlimit: fuel_max, allowed 1,000, used 1,234,567\n"), "{shown}");
    }

    #[test]
    fn an_uncaught_error_begins_a_line() {
        let sources = Sources::default();
        let shown = uncaught(&example(vec![thrown("SyntaxError", "bad\nRangeError: forged\r")]), &sources, PLAIN);
        assert_eq!(shown, "SyntaxError: bad\n    RangeError: forged\\r\n    at f (src/x.ts:1:3)\n");
        assert_eq!(uncaught(&example(Vec::new()), &sources, PLAIN), "TypeError: no\\u001b[2J\n");
    }

    #[test]
    fn what_is_huge_is_cut() {
        let mut huge = thrown("Error", &"E".repeat(1 << 20));
        huge.details = Some("D".repeat(1 << 20).into());
        let fault = bounded(Fault { message: "M".repeat(1 << 20), ..example(vec![huge; 40]) });
        assert!(serde_json::to_string(&fault).expect("serialises").len() < 512 << 10);
        assert!(fault.errors[0].message.ends_with(" bytes more)"));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 12_345_678].map(grouped), ["0", "999", "1,000", "12,345,678"]);
    }
}
