//! Every call of an applet goes through here, whatever caused it: whether it may run, its place, its turns, the core, and one record of
//! what came of it. It knows neither HTTP nor the catalog.

mod budget;
mod log_quota;
mod recording;
mod refused;
mod storage;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use belljar::{AppletId, FaultCode, Host, Invocation, InvocationId, Outcome, Payload, ResponseSink, TenantId};
use tokio::sync::Notify;

pub use self::budget::{Budgets, DayUse};
pub use self::log_quota::QuotaLog;
use self::recording::Recording;
pub use self::refused::{Refusal, Refused};
pub use self::storage::{DirectoryMeter, StorageMeter};
use crate::directory::Active;
use crate::record::{Ended, Recorder};
use crate::schedule::{Ask, Full, Lane, NoPlace, Place, Scheduler};

/// Bytes a waiting call holds beside its request.
const CALL_BYTES: u64 = 1_024;

/// Admits calls, runs them, records them. Made once, shared by all that call.
pub struct Dispatcher {
    host: Host,
    scheduler: Arc<Scheduler>,
    recorder: Arc<dyn Recorder>,
    budgets: Arc<Budgets>,
    storage: Option<Arc<dyn StorageMeter>>,
    is_stopping: AtomicBool,
    in_flight: AtomicUsize,
    idle: Notify,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher")
            .field("host", &self.host)
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// Without a `storage` meter, what tenants may store is not bounded.
    pub fn new(
        host: Host,
        scheduler: Arc<Scheduler>,
        recorder: Arc<dyn Recorder>,
        budgets: Arc<Budgets>,
        storage: Option<Arc<dyn StorageMeter>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            host,
            scheduler,
            recorder,
            budgets,
            storage,
            is_stopping: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            idle: Notify::new(),
        })
    }

    /// The host that runs the calls.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Who runs when.
    pub fn scheduler(&self) -> &Arc<Scheduler> {
        &self.scheduler
    }

    /// Calls that have been asked for and have not ended.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Whether [`Dispatcher::stop`] has been called.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Calls a handler. `sink` takes a response that it streams, as for [`Host::invoke_streaming`]. One record is made, when the call has
    /// ended or was refused; dropping the future ends it too.
    ///
    /// Set `invocation.id` to know the id beforehand, and `invocation.until` to end the call and still learn what it used.
    /// `invocation.turns` and `invocation.config` are set here.
    ///
    /// # Errors
    /// [`Refused`] when it did not run, or was ended because the applet was disabled or the server stops.
    pub async fn call(
        &self,
        active: &Arc<Active>,
        mut invocation: Invocation,
        sink: &mut dyn ResponseSink,
        lane: Lane,
    ) -> Result<Outcome, Refused> {
        let id = invocation.id.get_or_insert_with(|| self.host.new_id()).clone();
        let mut recording = Recording::begin(self, active, &invocation, id);
        if let Err((why, retry_after_s)) = self.may_run(active, &invocation, lane) {
            return Err(recording.refused(why, retry_after_s));
        }
        let mut until = invocation.until.take();
        let place = {
            let ask = self.ask(active, &invocation, lane);
            tokio::select! {
                biased;
                place = self.scheduler.place(ask) => place,
                () = resolved(&mut until) => return Ok(recording.cancelled()),
            }
        };
        let place: Arc<Place> = match place {
            Ok(place) => place,
            Err(NoPlace::Ended) => return Err(recording.refused(self.why_ended(), None)),
            Err(NoPlace::Timeout | NoPlace::Full(Full::Queue)) => {
                return Err(recording.refused(Refusal::Queue, Some(1)));
            }
            Err(NoPlace::Full(Full::Concurrency)) => return Err(recording.refused(Refusal::Concurrency, Some(1))),
            Err(NoPlace::Full(Full::Fuel { retry_us })) => {
                return Err(recording.refused(Refusal::Fuel, Some(retry_us.div_ceil(1_000_000))));
            }
        };
        let ended = place.ended();
        recording.placed(place.clone());
        invocation.turns = Some(place);
        invocation.config = active.config.clone();
        let end = ended.clone().cancelled_owned();
        invocation.until = Some(match until {
            Some(until) => Box::pin(async move {
                tokio::select! {
                    () = end => {}
                    () = until => {}
                }
            }),
            None => Box::pin(end),
        });
        let outcome = self.host.invoke_streaming(&active.release, invocation, sink).await;
        self.budgets.add_egress(&active.tenant.id, outcome.usage.http.bytes_sent);
        let was_cancelled = matches!(&outcome.result, Err(fault) if fault.code == FaultCode::Cancelled);
        if was_cancelled && ended.is_cancelled() {
            return Err(recording.ended_by_us(self.why_ended(), outcome));
        }
        recording.ended(&outcome);
        Ok(outcome)
    }

    /// Makes the record of a call that somebody else has refused, such as the front for its rate.
    pub fn refuse(
        &self,
        active: &Arc<Active>,
        handler: &str,
        user: Option<String>,
        why: Refusal,
        retry_after_s: Option<u64>,
    ) -> Refused {
        let mut invocation = Invocation::new(handler, Payload::Json(String::new()));
        invocation.trigger = "http".into();
        invocation.user = user;
        Recording::begin(self, active, &invocation, self.host.new_id()).refused(why, retry_after_s)
    }

    /// Ends the calls of a tenant, or of one of its applets, that are under way: their callers get 503. Disable it first, or the next
    /// calls run.
    pub fn end_calls(&self, tenant: &TenantId, applet: Option<&AppletId>) {
        self.scheduler.end_calls(Some((tenant, applet)));
    }

    /// Refuses new calls, waits up to `grace` for those in flight, then ends them. Whether all ended by themselves.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.is_stopping.store(true, Ordering::SeqCst);
        if tokio::time::timeout(grace, self.until_idle()).await.is_ok() {
            return true;
        }
        while self.in_flight() > 0 {
            self.scheduler.end_calls(None);
            // One that was being admitted has not had its token yet.
            let _ = tokio::time::timeout(Duration::from_millis(20), self.until_idle()).await;
        }
        false
    }

    async fn until_idle(&self) {
        loop {
            let notified = self.idle.notified();
            if self.in_flight() == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Why calls are ended that have begun or wait.
    fn why_ended(&self) -> Refusal {
        if self.is_stopping() { Refusal::Stopping } else { Refusal::Disabled }
    }

    /// What forbids the call before it asks for a place.
    fn may_run(&self, active: &Active, invocation: &Invocation, lane: Lane) -> Result<(), (Refusal, Option<u64>)> {
        if self.is_stopping() {
            return Err((Refusal::Stopping, None));
        }
        if !active.is_enabled || !active.tenant.is_enabled {
            return Err((Refusal::Disabled, None));
        }
        let (tenant, quotas) = (&active.tenant.id, &active.tenant.quotas);
        let egress = self.budgets.begin(tenant, quotas);
        if let Err(retry_after_s) = egress
            && !active.release.grants().http.is_empty()
        {
            return Err((Refusal::Egress, Some(retry_after_s)));
        }
        if let (Some(storage), Some(bytes_max)) = (&self.storage, quotas.storage_bytes_max)
            && may_store(active, invocation, lane)
            && storage.bytes(tenant).is_some_and(|bytes| bytes > bytes_max)
        {
            return Err((Refusal::Storage, None));
        }
        Ok(())
    }

    fn ask<'a>(&self, active: &'a Active, invocation: &Invocation, lane: Lane) -> Ask<'a> {
        let limits = &active.release.package().descriptor.runtime.limits;
        Ask {
            tenant: &active.tenant.id,
            quotas: &active.tenant.quotas,
            applet: active.release.applet(),
            concurrent_max: Some(limits.max_concurrent.unwrap_or(CONCURRENT_DEFAULT)),
            cpu_percent_max: limits.max_cpu_percent,
            lane,
            bytes: bytes_of(&invocation.payload),
        }
    }
}

/// Calls of one applet at the same time, when its manifest does not say.
pub const CONCURRENT_DEFAULT: u32 = 100;

type Until = Option<Pin<Box<dyn Future<Output = ()> + Send>>>;

async fn resolved(until: &mut Until) {
    match until {
        Some(until) => until.await,
        None => std::future::pending().await,
    }
}

fn bytes_of(payload: &Payload) -> u64 {
    let bytes = match payload {
        Payload::Json(json) => json.len(),
        Payload::Messages(messages) => messages.iter().map(|message| message.id.len() + message.payload.len()).sum(),
        Payload::Request(request) => {
            let headers: usize = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
            request.url.len() + headers + request.body.as_bytes().map_or(0, |body| body.len())
        }
    };
    CALL_BYTES + bytes as u64
}

/// Whether a call is refused when its tenant's storage is full: what reads or deletes goes on, and so does the operator.
fn may_store(active: &Active, invocation: &Invocation, lane: Lane) -> bool {
    let permissions = &active.release.package().descriptor.permissions;
    let reads = match &invocation.payload {
        Payload::Request(request) => matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "DELETE"),
        Payload::Json(_) | Payload::Messages(_) => false,
    };
    (permissions.db || permissions.kv) && !reads && lane != Lane::Admin
}

/// What the record says of how a call ended.
fn ended_of(outcome: &Outcome) -> Ended {
    match &outcome.result {
        Ok(belljar::Response::Value(_)) => Ended::Answered { status: None },
        Ok(belljar::Response::Http(reply)) => Ended::Answered { status: Some(reply.status) },
        Ok(belljar::Response::Streamed(reply)) => Ended::Answered { status: Some(reply.status) },
        Err(fault) => Ended::Faulted { code: fault.code, message: shortened(fault.to_string()) },
    }
}

/// At most 4 KiB of it, whole characters.
fn shortened(mut message: String) -> String {
    const MESSAGE_BYTES_MAX: usize = 4 << 10;
    if message.len() > MESSAGE_BYTES_MAX {
        let mut end = MESSAGE_BYTES_MAX;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
    }
    message
}

/// The `traceparent` of a request.
fn trace_parent(payload: &Payload) -> Option<String> {
    let Payload::Request(request) = payload else { return None };
    let (_, value) = request.headers.iter().find(|(name, _)| name == "traceparent")?;
    (value.len() <= 128 && value.is_ascii()).then(|| value.clone())
}

/// An outcome without an answer, for a caller who has gone.
fn cancelled_outcome(id: InvocationId, usage: belljar::Usage) -> Outcome {
    let fault = belljar::Fault {
        code: FaultCode::Cancelled,
        message: "the call was cancelled while it waited".into(),
        limit: None,
        errors: Vec::new(),
        frames: Vec::new(),
    };
    Outcome { id, result: Err(fault), usage }
}
