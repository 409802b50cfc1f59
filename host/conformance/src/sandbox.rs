//! Programs in Belljar's sandbox, in this process, through the library's public API: a fresh instance for each.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use belljar::{
    Evaluation, Fault, FaultCode, Grants, Host, HostBuilder, HostError, InvocationId, Limits, LogRecord, LogSink,
    Modules, Outcome, Program as Text, ProgramKind, TenantId,
};
use tokio::runtime::Runtime;

use crate::program::{End, Program, Ran};

/// Instances at the same time: more than workers.
const INSTANCES_MAX: u32 = 256;

/// What a program may take. The defaults are met by runaway programs only.
///
/// ```
/// use belljar_conformance::Bounds;
///
/// let bounds = Bounds { fuel_max: 1_000_000, ..Bounds::default() };
/// assert_eq!(bounds.memory_bytes_max, 384 << 20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Fuel (300,000,000,000 by default).
    pub fuel_max: u64,
    /// Memory of the sandbox, bytes (384 MiB by default).
    pub memory_bytes_max: u64,
    /// Wall clock, milliseconds, for what fuel does not count; none by default: each suite has its own.
    pub deadline_ms: Option<u64>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { fuel_max: 300_000_000_000, memory_bytes_max: 384 << 20, deadline_ms: None }
    }
}

impl Bounds {
    /// As limits of an invocation, with the suite's deadline unless another one is set.
    pub fn limits(self, deadline_ms: u64) -> Limits {
        Limits {
            memory_bytes_max: self.memory_bytes_max,
            fuel_max: self.fuel_max,
            deadline_ms: self.deadline_ms.unwrap_or(deadline_ms),
            log_bytes_max: 64 << 20,
            log_lines_max: 500_000,
            log_line_bytes_max: 1 << 20,
            ..Limits::default()
        }
    }
}

/// The host that all programs run in.
#[derive(Debug, Clone)]
pub struct Sandbox {
    host: Host,
    lines: Lines,
    tenant: TenantId,
}

/// What programs print, until it is asked for by invocation.
#[derive(Debug, Default, Clone)]
struct Lines(Arc<Mutex<HashMap<InvocationId, Vec<String>>>>);

impl LogSink for Lines {
    fn write(&self, record: &LogRecord) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.entry(record.context.invocation.clone()).or_default().push(record.message.clone());
    }
}

struct Imports(Program);

impl Modules for Imports {
    fn load(&self, specifier: &str, referrer: &str) -> Result<(String, String), String> {
        self.0.import(specifier, referrer)
    }
}

impl Sandbox {
    /// Sets the host up, with limits and a log of its own.
    ///
    /// # Errors
    /// As [`HostBuilder::build`].
    pub fn new(builder: HostBuilder) -> Result<Self, HostError> {
        let lines = Lines::default();
        let host = builder
            .limits(Bounds::default().limits(0))
            .instances_max(INSTANCES_MAX)
            .log(Arc::new(lines.clone()))
            .build()?;
        Ok(Self { host, lines, tenant: TenantId::new("conformance").expect("a valid name") })
    }

    /// The host: results belong to its engine's digest.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Runs a program on this thread. A panic of the host is what came of it, and no panic here.
    pub fn run(&self, runtime: &Runtime, program: &Program, limits: Limits) -> Ran {
        let kind = if program.is_module { ProgramKind::Module } else { ProgramKind::Script };
        let text = Text { kind, name: program.name.clone(), source: program.source.clone(), locales: Vec::new() };
        let modules: Arc<dyn Modules> = Arc::new(Imports(program.clone()));
        let tenant = self.tenant.clone();
        let evaluation =
            Evaluation { program: text, grants: Grants::default(), limits, modules: Some(modules), tenant };
        let run = AssertUnwindSafe(|| runtime.block_on(self.host.run(evaluation)));
        match std::panic::catch_unwind(run) {
            Ok(outcome) => Ran { lines: self.printed(&outcome), end: end(&outcome.result) },
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
                Ran { lines: Vec::new(), end: End::Crashed(format!("panic: {}", text.unwrap_or("?"))) }
            }
        }
    }

    /// What an invocation has logged; it is told once.
    pub fn printed(&self, outcome: &Outcome) -> Vec<String> {
        let mut lines = self.lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.remove(&outcome.id).unwrap_or_default()
    }
}

/// A runtime for one worker.
///
/// # Errors
/// When the machine gives none.
pub fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn end<T>(result: &Result<T, Fault>) -> End {
    let Err(fault) = result else { return End::Completed };
    match (fault.code, fault.errors.first()) {
        (FaultCode::Trap | FaultCode::Internal, _) => End::Crashed(format!("{}: {}", fault.code, fault.message)),
        (FaultCode::Threw | FaultCode::Syntax | FaultCode::Preparation | FaultCode::Stack, Some(error)) => {
            End::Threw(error.name.clone(), error.message.clone())
        }
        (FaultCode::Unsettled, _) => End::Threw("Unsettled".into(), fault.message.clone()),
        (code, _) if code.is_limit() => End::Limit(code.to_string()),
        (code, _) => End::Threw("Uncaught".into(), format!("{code}: {}", fault.message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crashes_are_the_engines_and_limits_the_programs() {
        let end = |code| {
            end::<()>(&Err(Fault { code, message: "why".into(), limit: None, errors: Vec::new(), frames: Vec::new() }))
        };
        assert!(matches!(end(FaultCode::Trap), End::Crashed(_)));
        assert!(matches!(end(FaultCode::Internal), End::Crashed(_)));
        assert_eq!(end(FaultCode::Fuel), End::Limit("fuel".into()));
        assert_eq!(end(FaultCode::Unsettled), End::Threw("Unsettled".into(), "why".into()));
    }
}
