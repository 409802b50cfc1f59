//! Exit codes of `belljar`, one for each way an applet can end, so that scripts need not read messages. `docs/limits.md` and
//! `belljar --help` list the same. All are below 128: what is above belongs to signals.

use belljar::FaultCode;

/// Everything went well.
pub(crate) const OK: i32 = 0;
/// The command failed: the applet cannot be built, a file cannot be read, the host cannot be set up.
pub(crate) const FAILED: i32 = 1;
/// The command line is wrong (clap's own code).
pub(crate) const USAGE: i32 = 2;
/// The handler or script threw, or its promise was rejected.
pub(crate) const THREW: i32 = 10;
/// The applet has no such handler.
pub(crate) const HANDLER_NOT_FOUND: i32 = 11;
/// The payload is not JSON, or the request is malformed.
pub(crate) const INVALID_PAYLOAD: i32 = 12;
/// The handler's result cannot be sent.
pub(crate) const INVALID_RESULT: i32 = 13;
/// Nothing can settle the promise any more.
pub(crate) const UNSETTLED: i32 = 14;
/// Limit: fuel.
pub(crate) const LIMIT_FUEL: i32 = 20;
/// Limit: memory.
pub(crate) const LIMIT_MEMORY: i32 = 21;
/// Limit: stack.
pub(crate) const LIMIT_STACK: i32 = 22;
/// Limit: wall clock.
pub(crate) const LIMIT_DEADLINE: i32 = 23;
/// Limit: size of the answer.
pub(crate) const LIMIT_OUTPUT: i32 = 24;
/// Limit: operations, or bytes held for them.
pub(crate) const LIMIT_OPERATIONS: i32 = 25;
/// The applet's top-level code failed while it was prepared.
pub(crate) const PREPARATION: i32 = 30;
/// The applet's source does not parse.
pub(crate) const SYNTAX: i32 = 31;
/// The file is no package, or not a whole one.
pub(crate) const CORRUPT_PACKAGE: i32 = 32;
/// The engine trapped.
pub(crate) const TRAP: i32 = 40;
/// The invocation was cancelled.
pub(crate) const CANCELLED: i32 = 41;
pub(crate) const INTERRUPTED: i32 = 42;
pub(crate) const PROCESS_UNAVAILABLE: i32 = 43;
pub(crate) const PROTOCOL: i32 = 44;
/// A release waits for approval.
pub(crate) const NEEDS_APPROVAL: i32 = 50;
/// The server has nothing of that name.
pub(crate) const NOT_FOUND: i32 = 51;
/// The server cannot do it now: it is busy, stopping, or out of disk.
pub(crate) const UNAVAILABLE: i32 = 52;
/// A replay differs from what was recorded.
pub(crate) const DIVERGED: i32 = 60;
/// A fault of ours.
pub(crate) const INTERNAL: i32 = 70;

/// The table of `belljar --help`.
pub(crate) const HELP: &str = "\
Exit codes:
   0  done
   1  failed: the applet cannot be built, a file cannot be read, the host cannot be set up
   2  the command line is wrong
  10  threw: the handler or script threw, or its promise was rejected
  11  handler-not-found
  12  invalid-payload: not JSON, or not an HTTP request
  13  invalid-result: the result is not JSON, or no valid response
  14  unsettled: nothing can settle the promise any more
  20  limit: fuel
  21  limit: memory
  22  limit: stack
  23  limit: deadline (wall clock)
  24  limit: output (size of the answer)
  25  limit: operations (calls of capabilities, or bytes held for them)
  30  preparation: the applet's top-level code failed
  31  syntax: the applet's source does not parse
  32  corrupt-package: not a package, or not a whole one
  40  trap: the engine trapped; the sandbox contained it
  41  cancelled
  42  interrupted: the applet's process ended while the call was in it
  43  unavailable: no process of the applet can take the call
  44  protocol: the applet's process answered something that is no answer
  50  needs-approval: the release asks for more than was granted, and waits for `belljar approve`
  51  not-found: the server has nothing of that name
  52  unavailable: the server cannot do it now
  60  diverged: a replay differs from what was recorded
  70  internal: a fault of Belljar's own";

/// The exit code of a fault.
pub(crate) fn of(code: FaultCode) -> i32 {
    match code {
        FaultCode::Threw => THREW,
        FaultCode::HandlerNotFound => HANDLER_NOT_FOUND,
        FaultCode::InvalidPayload => INVALID_PAYLOAD,
        FaultCode::InvalidResult => INVALID_RESULT,
        FaultCode::Unsettled => UNSETTLED,
        FaultCode::Fuel => LIMIT_FUEL,
        FaultCode::Memory => LIMIT_MEMORY,
        FaultCode::Stack => LIMIT_STACK,
        FaultCode::Deadline => LIMIT_DEADLINE,
        FaultCode::Output => LIMIT_OUTPUT,
        FaultCode::Operations => LIMIT_OPERATIONS,
        FaultCode::Preparation => PREPARATION,
        FaultCode::Syntax => SYNTAX,
        FaultCode::Trap => TRAP,
        FaultCode::Cancelled => CANCELLED,
        FaultCode::Interrupted => INTERRUPTED,
        FaultCode::Unavailable => PROCESS_UNAVAILABLE,
        FaultCode::Protocol => PROTOCOL,
        FaultCode::Internal => INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_its_own_and_below_those_of_signals() {
        let mut codes: Vec<i32> = FaultCode::ALL.into_iter().map(of).collect();
        codes.extend([OK, FAILED, USAGE, CORRUPT_PACKAGE, NEEDS_APPROVAL, NOT_FOUND, UNAVAILABLE, DIVERGED]);
        assert!(codes.iter().all(|code| (0..128).contains(code)), "{codes:?}");
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len(), "{codes:?}");
    }

    #[test]
    fn help_lists_every_code_under_its_name() {
        let line_of = |code: i32| HELP.lines().find(|line| line.trim_start().starts_with(&format!("{code} ")));
        for code in FaultCode::ALL {
            let line = line_of(of(code)).unwrap_or_else(|| panic!("{code} is missing"));
            assert!(line.contains(code.as_str()), "{line}");
        }
        for code in [OK, FAILED, USAGE, CORRUPT_PACKAGE, NEEDS_APPROVAL, NOT_FOUND, UNAVAILABLE, DIVERGED] {
            assert!(line_of(code).is_some(), "{code}");
        }
    }
}
