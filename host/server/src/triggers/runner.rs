//! From a delivery to a call of the dispatcher and back: what the handler is called with, and what its outcome means for the queue.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use belljar::{AppletId, Chain, Fault, FaultCode, Invocation, Message, Outcome, Payload, Response, TenantId};
use tokio_util::sync::CancellationToken;

use super::chains::{Chains, Led, link};
use super::publisher::running_as;
use super::sink::Discarding;
use super::worker::{Attempt, Runner};
use crate::directory::{Active, Directory};
use crate::dispatch::{Dispatcher, Refusal, Refused};
use crate::queue::{Claimed, Kind};
use crate::schedule::Lane;

/// How long a delivery waits when its applet is disabled, or its catalog cannot be read, milliseconds.
const UNAVAILABLE_MS: u64 = 10_000;
/// How long it waits when the server has no place for it, or its tenant has used up what it may, milliseconds; at least.
const FULL_MS_MIN: u64 = 200;

/// Calls handlers through the dispatcher, in the worker lane.
pub(super) struct DispatchRunner {
    dispatcher: Arc<Dispatcher>,
    directory: Arc<dyn Directory>,
    chains: Arc<Chains>,
}

impl DispatchRunner {
    pub(super) fn new(dispatcher: Arc<Dispatcher>, directory: Arc<dyn Directory>, chains: Arc<Chains>) -> Self {
        Self { dispatcher, directory, chains }
    }

    fn active(&self, first: &Claimed) -> Result<Arc<Active>, Attempt> {
        let names =
            TenantId::new(first.tenant.clone()).and_then(|tenant| Ok((tenant, AppletId::new(first.applet.clone())?)));
        let (tenant, applet) = names.map_err(|error| Attempt::Failed { error: error.to_string(), is_final: true })?;
        // Nearly always answered from memory.
        let found = self.directory.active(&tenant, &applet);
        match found {
            Ok(Some(active)) => Ok(active),
            Ok(None) => {
                let error = format!("tenant {} has no applet {}", first.tenant, first.applet);
                Err(Attempt::Failed { error, is_final: true })
            }
            Err(error) => Err(Attempt::NotBegun { delay_ms: UNAVAILABLE_MS, why: error.to_string() }),
        }
    }

    async fn call(&self, call: &[Claimed], end: CancellationToken) -> Attempt {
        let Some(first) = call.first() else { return Attempt::Answered { result: None, again: Vec::new() } };
        let active = match self.active(first) {
            Ok(active) => active,
            Err(attempt) => return attempt,
        };
        // Of several events the one that has come furthest counts: the guard must not be got round by batches.
        let deepest = call.iter().max_by_key(|claimed| claimed.depth).unwrap_or(first);
        let by = running_as(&first.tenant, &first.applet, &first.handler);
        let _entered = self.chains.enter(&by, &deepest.uid, led(call, deepest));
        let mut invocation = invocation(call, deepest);
        invocation.until = Some(Box::pin(end.clone().cancelled_owned()));
        match self.dispatcher.call(&active, invocation, &mut Discarding, Lane::Worker).await {
            Ok(outcome) => answered(outcome, end.is_cancelled()),
            Err(refused) => not_begun(&refused),
        }
    }
}

impl Runner for DispatchRunner {
    fn run(
        &self,
        call: Arc<Vec<Claimed>>,
        end: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = Attempt> + Send + '_>> {
        Box::pin(async move { self.call(&call, end).await })
    }
}

/// What events that are published by this call come after.
fn led(call: &[Claimed], deepest: &Claimed) -> Led {
    let mut chain = deepest.chain.clone();
    let is_event = deepest.kind == Kind::Event;
    for claimed in call {
        let own = is_event.then(|| link(&claimed.applet, &claimed.name));
        for link in claimed.chain.iter().cloned().chain(own) {
            if !chain.contains(&link) {
                chain.push(link);
            }
        }
    }
    Led { chain, depth: deepest.depth + u32::from(is_event) }
}

fn invocation(call: &[Claimed], deepest: &Claimed) -> Invocation {
    let message = |claimed: &Claimed| Message {
        id: claimed.uid.clone(),
        published_ms: claimed.published_us / 1_000,
        attempt: claimed.attempt,
        payload: claimed.payload.clone(),
    };
    let payload = match deepest.kind {
        Kind::Event => Payload::Messages(call.iter().map(message).collect()),
        Kind::Job | Kind::Schedule | Kind::Run => Payload::Json(deepest.payload.clone()),
    };
    let mut invocation = Invocation::new(deepest.handler.clone(), payload);
    invocation.trigger = match deepest.kind {
        Kind::Event => "event",
        Kind::Job => "job",
        Kind::Schedule => "schedule",
        Kind::Run => "one-off",
    }
    .into();
    invocation.attempt = deepest.attempt;
    let is_event = deepest.kind == Kind::Event;
    invocation.chain = Chain {
        depth: deepest.depth + u32::from(is_event),
        root: deepest.chain.first().cloned().or_else(|| is_event.then(|| deepest.uid.clone())),
        event: is_event.then(|| deepest.uid.clone()),
    };
    invocation.job = (!is_event).then(|| deepest.uid.clone());
    invocation
}

fn answered(outcome: Outcome, was_cancelled: bool) -> Attempt {
    match outcome.result {
        Ok(response) => {
            let again = response.retries().into_iter().map(|retry| (retry.id, retry.delay_ms)).collect();
            Attempt::Answered { result: result(response), again }
        }
        Err(fault) if fault.code == FaultCode::Cancelled && was_cancelled => Attempt::Cancelled,
        Err(fault) => Attempt::Failed { is_final: is_final(&fault), error: fault.to_string() },
    }
}

/// What is kept of an answer.
fn result(response: Response) -> Option<String> {
    match response {
        Response::Value(value) => value,
        Response::Http(reply) => {
            let body = String::from_utf8_lossy(&reply.body);
            Some(serde_json::json!({ "status": reply.status, "body": body }).to_string())
        }
        Response::Streamed(reply) => {
            Some(serde_json::json!({ "status": reply.status, "bodyBytes": reply.body_bytes }).to_string())
        }
    }
}

/// Whether the same call would fail in the same way: the handler is not there, or the package cannot be run.
fn is_final(fault: &Fault) -> bool {
    matches!(fault.code, FaultCode::HandlerNotFound | FaultCode::InvalidPayload | FaultCode::Syntax)
}

fn not_begun(refused: &Refused) -> Attempt {
    let retry_ms = refused.retry_after_s.unwrap_or(0).saturating_mul(1_000);
    let delay_ms = match refused.why {
        // The next process has it; this one must not ask for it again at once.
        Refusal::Stopping => 1_000,
        Refusal::Disabled | Refusal::Storage => retry_ms.max(UNAVAILABLE_MS),
        Refusal::Queue | Refusal::Concurrency | Refusal::Rate | Refusal::Fuel | Refusal::Egress => {
            retry_ms.max(FULL_MS_MIN)
        }
    };
    Attempt::NotBegun { delay_ms, why: refused.to_string() }
}
