//! One record for each call, whatever ends it: a call that is dropped is recorded too.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use belljar::{FaultCode, Invocation, InvocationId, Outcome, Usage};

use super::{Dispatcher, Refusal, Refused, cancelled_outcome, ended_of, trace_parent};
use crate::directory::Active;
use crate::record::{Ended, InvocationRecord};
use crate::schedule::Place;

/// A call under way.
pub(super) struct Recording<'a> {
    dispatcher: &'a Dispatcher,
    active: Arc<Active>,
    id: InvocationId,
    handler: String,
    trigger: String,
    user: Option<String>,
    trace_parent: Option<String>,
    begun: Instant,
    begun_us: u64,
    place: Option<Arc<Place>>,
    is_recorded: bool,
}

impl<'a> Recording<'a> {
    pub(super) fn begin(
        dispatcher: &'a Dispatcher,
        active: &Arc<Active>,
        invocation: &Invocation,
        id: InvocationId,
    ) -> Self {
        // Before anybody looks at whether the server stops: see `Dispatcher::stop`.
        dispatcher.in_flight.fetch_add(1, Ordering::SeqCst);
        Self {
            dispatcher,
            active: active.clone(),
            id,
            handler: invocation.handler.clone(),
            trigger: invocation.trigger.clone(),
            user: invocation.user.clone(),
            trace_parent: trace_parent(&invocation.payload),
            begun: Instant::now(),
            begun_us: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64),
            place: None,
            is_recorded: false,
        }
    }

    /// The call is under way.
    pub(super) fn placed(&mut self, place: Arc<Place>) {
        self.place = Some(place);
    }

    pub(super) fn ended(mut self, outcome: &Outcome) {
        self.record(ended_of(outcome), outcome.usage.clone());
    }

    pub(super) fn refused(mut self, why: Refusal, retry_after_s: Option<u64>) -> Refused {
        self.record(Ended::Refused { why: why.as_str() }, Usage::default());
        Refused { id: self.id.clone(), why, retry_after_s: retry_after_s.map(|seconds| seconds.max(1)) }
    }

    /// It ran, and was ended by the host: the record says so, the caller learns why.
    pub(super) fn ended_by_us(mut self, why: Refusal, outcome: Outcome) -> Refused {
        self.record(Ended::Faulted { code: FaultCode::Cancelled, message: why.to_string() }, outcome.usage);
        Refused { id: self.id.clone(), why, retry_after_s: None }
    }

    /// The caller has gone before the call had its place.
    pub(super) fn cancelled(mut self) -> Outcome {
        let outcome = cancelled_outcome(self.id.clone(), Usage::default());
        self.record(ended_of(&outcome), Usage::default());
        outcome
    }

    fn record(&mut self, ended: Ended, usage: Usage) {
        self.is_recorded = true;
        let total_us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let release = &self.active.release;
        // Without a turn all of it was waiting, but for a call that was refused at once or ended before.
        let queued_us =
            self.place.as_ref().map_or(total_us, |place| place.first_turn_us().unwrap_or(total_us)).min(total_us);
        self.dispatcher.recorder.record(InvocationRecord {
            id: self.id.to_string(),
            tenant: self.active.tenant.id.clone(),
            applet: release.applet().clone(),
            release_number: self.active.release_number,
            version: release.package().descriptor.version.to_string(),
            handler: std::mem::take(&mut self.handler),
            trigger: std::mem::take(&mut self.trigger),
            user: self.user.take(),
            begun_us: self.begun_us,
            queued_us,
            total_us,
            ended,
            usage,
            trace_parent: self.trace_parent.take(),
        });
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        if !self.is_recorded {
            // What its capabilities used is not known; what it burnt in turns that have ended is.
            let wall_us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            let usage =
                Usage { fuel: self.place.as_ref().map_or(0, |place| place.fuel()), wall_us, ..Usage::default() };
            self.record(Ended::Faulted { code: FaultCode::Cancelled, message: "the caller has gone".into() }, usage);
        }
        // The place is free before the call counts as ended.
        self.place = None;
        if self.dispatcher.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.dispatcher.idle.notify_waiters();
        }
    }
}
