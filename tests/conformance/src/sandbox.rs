//! Programs in Belljar's sandbox, in this process, through the library's public API: a fresh instance for each.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use belljar::{
    Evaluation, Fault, FaultCode, Grants, Host, InvocationId, Limits, LogRecord, LogSink, Modules, Outcome,
    Program as Text, ProgramKind, TenantId,
};
use tokio::runtime::Runtime;

use crate::program::{End, Program, Ran};

/// Instances at the same time: more than workers.
const INSTANCES_MAX: u32 = 64;

/// The host that all programs run in.
#[derive(Clone)]
pub(crate) struct Sandbox {
    pub(crate) host: Host,
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
    /// Sets the host up; its machine code is cached.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(crate) fn new() -> Result<Self> {
        let lines = Lines::default();
        // Its cache of machine code is that of the other tests.
        let host = belljar_tests::host::builder()
            .limits(limits(0))
            .instances_max(INSTANCES_MAX)
            .log(Arc::new(lines.clone()))
            .progress(|what| eprintln!("conformance: {what}"))
            .build()?;
        Ok(Self { host, lines, tenant: TenantId::new("conformance")? })
    }

    /// Runs a program on this thread.
    pub(crate) fn run(&self, runtime: &Runtime, program: &Program, limits: Limits, locales: &[String]) -> Ran {
        let kind = if program.is_module { ProgramKind::Module } else { ProgramKind::Script };
        let text = Text { kind, name: program.name.clone(), source: program.source.clone(), locales: locales.to_vec() };
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

    /// What an invocation has logged.
    pub(crate) fn printed(&self, outcome: &Outcome) -> Vec<String> {
        let mut lines = self.lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.remove(&outcome.id).unwrap_or_default()
    }
}

/// Limits that only a runaway program meets. The wall clock is there for what fuel does not count; this machine may be busy.
pub(crate) fn limits(deadline_ms: u64) -> Limits {
    Limits {
        memory_bytes_max: 384 << 20,
        fuel_max: 300_000_000_000,
        deadline_ms,
        log_bytes_max: 64 << 20,
        log_lines_max: 500_000,
        log_line_bytes_max: 1 << 20,
        ..Limits::default()
    }
}

/// A runtime for one worker.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
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
