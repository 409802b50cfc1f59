//! Programs given as text: no package, no applet.

use std::sync::Arc;
use std::time::Instant;

use super::Host;
use super::call::{Caller, Who};
use crate::capability::log::LogContext;
use crate::capability::origin::{Chain, Origin};
use crate::engine::invoke::{Ran, Run, Task};
use crate::engine::prepare::Prepared;
use crate::engine::tape::Taped;
use crate::floor::deadline::Deadline;
use crate::floor::fault::{Fault, FaultCode};
use crate::floor::grants::Grants;
use crate::floor::ids::{AppletId, TenantId};
use crate::floor::limits::Limits;
use crate::floor::usage::Usage;
use crate::invocation::{Collected, Modules, Outcome, Program};
use crate::recording::events::EventWriter;

/// A program, and what it runs with: see [`Host::run`].
#[derive(Clone)]
pub struct Evaluation {
    /// The program.
    pub program: Program,
    /// What it may do: `sdk` has these parts only.
    pub grants: Grants,
    /// Its limits.
    pub limits: Limits,
    /// Modules it may import.
    pub modules: Option<Arc<dyn Modules>>,
    /// Whose database and log it gets.
    pub tenant: TenantId,
}

impl Host {
    /// Runs a program given as text in a fresh sandbox, as `belljar eval` does: to its end, event loop and all. It answers nobody; what is asked for an
    /// answer, many times, is a [`Script`](crate::Script).
    pub async fn run(&self, evaluation: Evaluation) -> Outcome {
        self.run_taped(evaluation, None).await.0
    }

    pub(super) async fn run_taped(
        &self,
        evaluation: Evaluation,
        writer: Option<EventWriter>,
    ) -> (Outcome, Option<Taped>) {
        let id = self.new_id();
        let base = match self.base() {
            Ok(base) => base,
            Err(fault) => return (Outcome { id, result: Err(fault), usage: Usage::default() }, None),
        };
        let begun = Instant::now();
        let Evaluation { program, grants, limits, modules, tenant } = evaluation;
        let limits = limits.for_package(&belljar_package::Limits::default());
        let deadline = Deadline::new(begun, limits.deadline_ms);
        let applet = AppletId::new("eval").expect("a valid name");
        let context = LogContext {
            tenant: tenant.clone(),
            applet: applet.clone(),
            version: String::new(),
            handler: String::new(),
            invocation: id.clone(),
        };
        let origin = || Origin {
            tenant: tenant.clone(),
            applet: applet.clone(),
            handler: String::new(),
            invocation: id.clone(),
            chain: Chain::default(),
            job: None,
        };
        if let Some(message) = self.inner.offered.lacks(&grants.custom) {
            return (
                Outcome { id, result: Err(Fault::new(FaultCode::Preparation, message)), usage: Usage::default() },
                None,
            );
        }
        let caller = Caller::default();
        let who = Who { tenant: &tenant, applet: &applet, package: None, origin: &origin, caller: &caller };
        let source = self.source();
        let (mut capabilities, host_bytes) = self.capabilities(who, &grants, &limits, context, &deadline, &source);
        capabilities.modules = modules;
        let task = Task::program(&id, &tenant, &applet, &grants, program, capabilities.custom_names());
        let run = Run {
            prepared: &base,
            limits: &limits,
            source,
            capabilities,
            host_bytes,
            task,
            turns: None,
            until: None,
            // A program answers nobody.
            sink: &mut Collected::default(),
            begun,
            deadline,
            writer,
        };
        let Ran { result, usage, taped } = self.inner.sandbox.invoke(run).await;
        (Outcome { id, result, usage }, taped)
    }

    /// The engine with no applet in it.
    pub(super) fn base(&self) -> Result<Arc<Prepared>, Fault> {
        match self.inner.base.get() {
            Some(base) => Ok(base.clone()),
            None => {
                self.inner.sandbox.prepared_base().map(|base| self.inner.base.get_or_init(|| Arc::new(base)).clone())
            }
        }
    }
}
