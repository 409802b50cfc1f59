//! What to do about each fault.

use belljar::{Fault, FaultCode};

/// The `hint:` line of a fault: that of its code, or a better one.
pub(crate) fn of_fault(fault: &Fault) -> &'static str {
    if no_intl(fault) {
        return "an applet has Intl for the locales its manifest declares: add `locales: [en, …]` under `runtime:`";
    }
    of(fault.code)
}

/// Whether an applet without locales has used `Intl`.
pub(crate) fn no_intl(fault: &Fault) -> bool {
    fault.errors.first().is_some_and(|error| error.name == "ReferenceError" && error.message == "Intl is not defined")
}

/// The `hint:` line of a fault's code.
fn of(code: FaultCode) -> &'static str {
    match code {
        FaultCode::Threw => "the handler threw: catch the error, or correct the line above",
        FaultCode::HandlerNotFound => "`belljar inspect` lists the handlers of a package; name one with --handler",
        FaultCode::InvalidPayload => {
            "give JSON with --payload '{…}' or --payload @FILE, or an HTTP request with --request FILE"
        }
        FaultCode::InvalidResult => {
            "return what JSON can hold (no cycles, no BigInt), or a Response with a status from 200 to 599"
        }
        FaultCode::Fuel => "the code ran too long: look for a loop that does not end, or allow more with --fuel-max",
        FaultCode::Memory => {
            "keep less in memory at once, or allow more with --memory-mb (and runtime.limits.max_memory_mb)"
        }
        FaultCode::Stack => "look for a recursion that does not end, or replace it by a loop",
        FaultCode::Deadline => {
            "something waits or works too long: give fetch a time-out, or allow more with --deadline-ms"
        }
        FaultCode::Output => {
            "return less, or in pages; runtime.limits.response_bytes_max and the host bound the answer"
        }
        FaultCode::Operations => "do less at once: await some operations before starting more, or use db.batch",
        FaultCode::Unsettled => "a promise is awaited that nothing resolves: look for a callback that is never called",
        FaultCode::Trap => "this is a bug of the engine, contained by the sandbox: please report it with the applet",
        FaultCode::Preparation => {
            "top-level code runs once, without capabilities, and must end by itself: move work into the handler"
        }
        FaultCode::Syntax => "correct the syntax; `belljar check` shows the place in the author's file",
        FaultCode::Cancelled => "the caller ended the invocation: start it again",
        FaultCode::Interrupted => {
            "its process ended while the call was in it: look at the applet's log, and call again"
        }
        FaultCode::Unavailable => "its process does not start, or has failed too often: look at the applet's log",
        FaultCode::Protocol => "its process answered what is no answer: does it serve requests on SOCKET_PATH itself?",
        FaultCode::Internal => "this is a fault of Belljar's or of the machine's: `belljar doctor` may tell more",
    }
}
