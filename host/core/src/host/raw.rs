//! The engine's own part of a call, by itself: what the benchmark `belljar-bench embed` holds [`Host::invoke`] against. No part of the API.

use std::time::{Duration, Instant};

use super::Host;
use super::call::{Caller, Who};
use crate::capability::log::LogContext;
use crate::capability::origin::{Chain, Origin};
use crate::catalog::Release;
use crate::engine::invoke::{Run, Task};
use crate::floor::deadline::Deadline;
use crate::floor::fault::{Fault, FaultCode};
use crate::invocation::{Collected, Invocation, Response};

impl Host {
    /// Makes a call of which everything is ready before the time begins to count: the image, the sessions of capabilities, the record for the guest.
    /// What is timed is a fresh instance, the call, and its end, as in [`Host::invoke`]. It leaves out what that does before: finding handler and
    /// image, ids, contexts of logs and capabilities, opening these.
    ///
    /// # Errors
    /// The fault of the call.
    #[doc(hidden)]
    pub async fn raw_call(&self, release: &Release, invocation: Invocation) -> Result<(Duration, Response), Fault> {
        let handler = release.package().descriptor.handlers.iter().find(|handler| handler.name == invocation.handler);
        let handler = handler.ok_or_else(|| Fault::new(FaultCode::HandlerNotFound, "there is no such handler"))?;
        let prepared = self.image(release).await?;
        let (id, source, limits) = (self.new_id(), self.inner.source.clone(), release.limits());
        let version = release.package().descriptor.version.to_string();
        let context = LogContext {
            tenant: release.tenant().clone(),
            applet: release.applet().clone(),
            version: version.clone(),
            handler: handler.name.clone(),
            invocation: id.clone(),
        };
        let origin = || Origin {
            tenant: release.tenant().clone(),
            applet: release.applet().clone(),
            handler: handler.name.clone(),
            invocation: id.clone(),
            chain: Chain::default(),
            job: None,
        };
        let deadline = Deadline::new(Instant::now(), limits.deadline_ms);
        let who = Who {
            tenant: release.tenant(),
            applet: release.applet(),
            package: Some(release.package()),
            origin: &origin,
            caller: &Caller::default(),
        };
        let (capabilities, host_bytes) = self.capabilities(who, release.grants(), limits, context, &deadline, &source);
        let task = Task::call(&id, release, handler, version, invocation, capabilities.custom_names());
        let mut sink = Collected::default();
        let begun = Instant::now();
        let run = Run {
            prepared: &prepared,
            limits,
            source,
            capabilities,
            host_bytes,
            task,
            turns: None,
            until: None,
            sink: &mut sink,
            begun,
            deadline,
            writer: None,
        };
        let result = self.inner.sandbox.invoke(run).await.result;
        Ok((begun.elapsed(), result?))
    }
}
