//! The jobs capability: an applet has one of its own handlers called later, outside the call that asks. Where jobs are kept and when they
//! run is the embedder's [`JobSink`].

use std::future::Future;
use std::sync::Arc;

use belljar_package::Package;

use super::origin::{Answering, Origin};
use super::refusal::{CapabilityError, within};
use crate::floor::limits::JobsLimits;
use crate::floor::usage::JobsUsage;

/// Bytes of a job's key and of its id.
pub const JOB_KEY_BYTES_MAX: u64 = 256;
/// Priorities reach from minus this to this; higher ones are done first.
pub const JOB_PRIORITY_MAX: i32 = 100;

/// A job that an applet enqueues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Whose doing it is.
    pub origin: Origin,
    /// The handler to call: the applet has it.
    pub handler: String,
    /// JSON text.
    pub payload: String,
    /// When it is to be done at the earliest, Unix time in milliseconds; `None` for at once.
    pub due_ms: Option<u64>,
    /// -100 to 100; higher ones are done first.
    pub priority: i32,
    /// While a job with the same handler and key waits, a second one is that job.
    pub key: Option<String>,
}

/// Takes jobs.
pub trait JobSink: Send + Sync + 'static {
    /// Takes one, and answers its id once it will not be lost.
    ///
    /// # Errors
    /// [`CapabilityError`]; its text goes to the applet.
    fn enqueue(&self, job: NewJob) -> Answering<'_, String>;
    /// Cancels a job of the same tenant and applet; `false` when there is none that could still be cancelled.
    ///
    /// # Errors
    /// As above.
    fn cancel(&self, origin: Origin, id: String) -> Answering<'_, bool>;
    /// The running job `origin.job` tells how far it is: JSON text.
    ///
    /// # Errors
    /// As above.
    fn progress(&self, origin: Origin, progress: String) -> Answering<'_, ()>;
}

/// What an applet asks to have done.
#[derive(Debug, Default)]
pub(crate) struct Enqueueing {
    pub(crate) handler: String,
    pub(crate) payload: String,
    pub(crate) delay_ms: u64,
    /// Unix time in milliseconds, instead of a delay.
    pub(crate) at_ms: Option<u64>,
    pub(crate) priority: i32,
    pub(crate) key: Option<String>,
}

/// The jobs of one invocation.
pub(crate) struct JobsSession {
    sink: Option<Arc<dyn JobSink>>,
    /// What has the handlers.
    package: Option<Arc<Package>>,
    origin: Origin,
    limits: JobsLimits,
    usage: JobsUsage,
    calls: u64,
}

fn no_jobs() -> CapabilityError {
    CapabilityError::Unavailable("it has no jobs".into())
}

impl JobsSession {
    pub(crate) fn new(
        sink: Option<Arc<dyn JobSink>>,
        package: Option<Arc<Package>>,
        origin: Origin,
        limits: JobsLimits,
    ) -> Self {
        Self { sink, package, origin, limits, usage: JobsUsage::default(), calls: 0 }
    }

    pub(crate) fn usage(&self) -> JobsUsage {
        self.usage.clone()
    }

    /// Enqueues a job at `now_ms`; answers its id.
    pub(crate) fn enqueue(
        &mut self,
        asked: Enqueueing,
        now_ms: u64,
    ) -> impl Future<Output = Result<String, CapabilityError>> + Send + use<> {
        let admitted = self.admit(asked, now_ms);
        let sink = self.sink.clone();
        async move {
            let job = admitted?;
            sink.ok_or_else(no_jobs)?.enqueue(job).await
        }
    }

    /// Cancels a job.
    pub(crate) fn cancel(&mut self, id: String) -> impl Future<Output = Result<bool, CapabilityError>> + Send + use<> {
        let counted = self.count_call().and_then(|()| within("job_key_bytes_max", JOB_KEY_BYTES_MAX, id.len() as u64));
        let (sink, origin) = (self.sink.clone(), self.origin.clone());
        async move {
            counted?;
            sink.ok_or_else(no_jobs)?.cancel(origin, id).await
        }
    }

    /// Tells how far the running job is.
    pub(crate) fn progress(
        &mut self,
        progress: String,
    ) -> impl Future<Output = Result<(), CapabilityError>> + Send + use<> {
        let admitted = self.count_call().and_then(|()| {
            if self.origin.job.is_none() {
                return Err(CapabilityError::Invalid("this call is no job: there is no progress to tell".into()));
            }
            within("jobs.payload_bytes_max", self.limits.payload_bytes_max, progress.len() as u64)
        });
        let (sink, origin) = (self.sink.clone(), self.origin.clone());
        async move {
            admitted?;
            sink.ok_or_else(no_jobs)?.progress(origin, progress).await
        }
    }

    fn count_call(&mut self) -> Result<(), CapabilityError> {
        within("jobs.calls_max", self.limits.calls_max.into(), self.calls + 1)?;
        self.calls += 1;
        Ok(())
    }

    fn admit(&mut self, asked: Enqueueing, now_ms: u64) -> Result<NewJob, CapabilityError> {
        let Enqueueing { handler, payload, delay_ms, at_ms, priority, key } = asked;
        let handlers = self.package.as_ref().map(|package| package.descriptor.handlers.as_slice()).unwrap_or_default();
        if !handlers.iter().any(|one| one.name == handler) {
            let names: Vec<_> = handlers.iter().map(|one| one.name.as_str()).collect();
            let named: String = handler.chars().take(100).collect();
            return Err(CapabilityError::Invalid(format!(
                "the applet has no handler {named:?}; it has: {}",
                names.join(", ")
            )));
        }
        let bytes = payload.len() as u64;
        within("jobs.payload_bytes_max", self.limits.payload_bytes_max, bytes)?;
        let due_ms = at_ms.or_else(|| (delay_ms > 0).then(|| now_ms.saturating_add(delay_ms)));
        within(
            "jobs.delay_ms_max",
            self.limits.delay_ms_max,
            due_ms.map_or(0, |due_ms| due_ms.saturating_sub(now_ms)),
        )?;
        if !(-JOB_PRIORITY_MAX..=JOB_PRIORITY_MAX).contains(&priority) {
            return Err(CapabilityError::Invalid(format!(
                "priority {priority} is not within -{JOB_PRIORITY_MAX} to {JOB_PRIORITY_MAX}"
            )));
        }
        if let Some(key) = &key {
            within("job_key_bytes_max", JOB_KEY_BYTES_MAX, key.len() as u64)?;
        }
        within("jobs.enqueued_max", self.limits.enqueued_max.into(), self.usage.enqueued + 1)?;
        self.usage.enqueued += 1;
        self.usage.bytes += bytes;
        Ok(NewJob { origin: self.origin.clone(), handler, payload, due_ms, priority, key })
    }
}
