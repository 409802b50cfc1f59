//! What one invocation has of the embedder's own capabilities: counted, bounded, and kept apart from what goes wrong in them.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;

use super::{Call, CallError, Capability, Failed, Offered};
use crate::capability::refusal::{CapabilityError, within};
use crate::floor::limits::LimitHit;
use crate::floor::usage::CustomUsage;

/// Why a call was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CustomError {
    /// It was not made, or failed without saying more.
    Refused(CapabilityError),
    /// The function said so.
    Failed { code: String, message: String },
}

/// The embedder's capabilities that one invocation may use.
pub(crate) struct CustomSession {
    granted: BTreeMap<String, Granted>,
    call: Call,
}

/// One of them.
struct Granted {
    capability: Arc<Capability>,
    used: Arc<Used>,
}

/// Answers come in when the session is not at hand.
#[derive(Default)]
struct Used {
    calls: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl CustomSession {
    /// Those of `granted` that are offered; a host refuses a release that has been granted any other.
    pub(crate) fn new(offered: &Offered, granted: &[String], call: Call) -> Self {
        let granted = granted.iter().filter_map(|name| {
            let capability = offered.0.get(name)?.clone();
            Some((name.clone(), Granted { capability, used: Arc::default() }))
        });
        Self { granted: granted.collect(), call }
    }

    /// Names, and those of their functions: what the applet sees.
    pub(crate) fn names(&self) -> Vec<(String, Vec<String>)> {
        self.granted.iter().map(|(name, granted)| (name.clone(), granted.capability.function_names())).collect()
    }

    pub(crate) fn usage(&self) -> BTreeMap<String, CustomUsage> {
        let used = self.granted.iter().filter(|(_, granted)| granted.used.calls.load(Ordering::Relaxed) > 0);
        let usage = used.map(|(name, Granted { used, .. })| {
            let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            (
                name.clone(),
                CustomUsage {
                    calls: read(&used.calls),
                    bytes_in: read(&used.bytes_in),
                    bytes_out: read(&used.bytes_out),
                },
            )
        });
        usage.collect()
    }

    /// Calls a function with an argument (JSON); answers JSON.
    pub(crate) fn call(
        &self,
        capability: &str,
        function: &str,
        argument: String,
    ) -> impl Future<Output = Result<String, CustomError>> + Send + use<> {
        let admitted = self.admit(capability, function, &argument);
        let (call, function) = (self.call.clone(), function.to_owned());
        async move {
            let (capability, used) = admitted?;
            let Some(work) = capability.named(&function).cloned() else {
                return Err(unknown(&capability, &function).into());
            };
            let begun = Instant::now();
            let allowed = capability.limits.call_ms_max;
            // The function runs within the future, so that a panic at its very beginning is caught, too.
            let caught = AssertUnwindSafe(async move { work(call, argument).await }).catch_unwind();
            let Ok(ended) = tokio::time::timeout(Duration::from_millis(allowed), caught).await else {
                let used = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                return Err(CapabilityError::Limit(LimitHit { name: "custom.call_ms_max", allowed, used }).into());
            };
            let reply =
                ended.unwrap_or(Err(Failed::Panicked)).map_err(|failed| told(failed, &capability.name, &function))?;
            within("custom.reply_bytes_max", capability.limits.reply_bytes_max, reply.len() as u64)?;
            used.bytes_out.fetch_add(reply.len() as u64, Ordering::Relaxed);
            Ok(reply)
        }
    }

    fn admit(
        &self,
        capability: &str,
        function: &str,
        argument: &str,
    ) -> Result<(Arc<Capability>, Arc<Used>), CapabilityError> {
        let Granted { capability, used } = self.granted.get(capability).ok_or(CapabilityError::NotGranted)?;
        if capability.named(function).is_none() {
            return Err(unknown(capability, function));
        }
        let limits = &capability.limits;
        within("custom.calls_max", limits.calls_max.into(), used.calls.load(Ordering::Relaxed) + 1)?;
        let bytes = argument.len() as u64;
        within("custom.argument_bytes_max", limits.argument_bytes_max, bytes)?;
        used.calls.fetch_add(1, Ordering::Relaxed);
        used.bytes_in.fetch_add(bytes, Ordering::Relaxed);
        Ok((capability.clone(), used.clone()))
    }
}

fn unknown(capability: &Capability, function: &str) -> CapabilityError {
    let named: String = function.chars().take(100).collect();
    CapabilityError::Invalid(format!(
        "{} has no function {named:?}; it has: {}",
        capability.name,
        capability.function_names().join(", ")
    ))
}

/// What the applet learns of it; what it must not know goes to the host's log.
fn told(failed: Failed, capability: &str, function: &str) -> CustomError {
    let hidden = || CustomError::Refused(CapabilityError::Failed("the host's own function failed".into()));
    match failed {
        Failed::Argument(error) => {
            CapabilityError::Invalid(format!("the argument of {capability}.{function} is not what it takes: {error}"))
                .into()
        }
        Failed::Said(CallError { code, message, source }) => {
            if let Some(error) = source {
                tracing::error!(capability, function, %error, "a capability of the embedder's own failed");
            }
            CustomError::Failed { code: code.into_owned(), message: message.into_owned() }
        }
        Failed::Reply(error) => {
            tracing::error!(capability, function, %error, "the answer of a capability of the embedder's own is no JSON");
            hidden()
        }
        Failed::Panicked => {
            tracing::error!(capability, function, "a capability of the embedder's own panicked");
            hidden()
        }
    }
}
