//! Health of an applet: its handler `__health__`, or the one that `runtime.healthCheck.path` names, is asked and what it says is kept
//! for the check's interval. It answers nothing or `{status, error}`; failing to answer in time is answering `unhealthy`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use belljar::package::Descriptor;
use belljar::{Body, Bytes, Invocation, Payload, Request, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::sink::Discarding;
use crate::directory::Active;
use crate::dispatch::Dispatcher;
use crate::schedule::Lane;

/// The handler that is asked without a `healthCheck`.
pub const HEALTH_HANDLER: &str = "__health__";
/// How long an answer is kept, without a `healthCheck`, milliseconds.
const INTERVAL_MS: u64 = 30_000;
/// How long an answer may take, without a `healthCheck`, milliseconds.
const TIMEOUT_MS: u64 = 5_000;
/// Answers that are kept.
const KEPT_MAX: usize = 10_000;
/// Bytes of an error's text.
const ERROR_BYTES_MAX: usize = 1 << 10;

/// How an applet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HealthStatus {
    /// It says so.
    Healthy,
    /// It says so, or does not answer.
    Unhealthy,
    /// It has no health handler.
    Unknown,
}

/// What an applet last said of its health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// How it is.
    pub status: HealthStatus,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long ago it was asked, milliseconds.
    pub age_ms: u64,
}

/// What is asked, how often, and for how long.
struct Check<'a> {
    handler: &'a str,
    path: Option<&'a str>,
    interval: Duration,
    timeout: Duration,
}

fn check(descriptor: &Descriptor) -> Option<Check<'_>> {
    let named = |name: &str| descriptor.handlers.iter().find(|handler| handler.name == name);
    let declared = descriptor.runtime.health_check.as_ref();
    let (interval_ms, timeout_ms) =
        declared.map_or((INTERVAL_MS, TIMEOUT_MS), |check| (check.interval_ms, check.timeout_ms));
    let found = match declared {
        Some(check) => {
            let at_path = descriptor.handlers.iter().find(|handler| {
                handler
                    .trigger
                    .route()
                    .is_some_and(|route| route.path == check.path && matches!(route.method, "GET" | "*"))
            });
            match at_path {
                Some(handler) => Some((handler, Some(check.path.as_str()))),
                None => named(check.path.trim_start_matches('/'))
                    .or_else(|| named(HEALTH_HANDLER))
                    .map(|handler| (handler, None)),
            }
        }
        None => named(HEALTH_HANDLER).map(|handler| (handler, None)),
    };
    found.map(|(handler, path)| Check {
        handler: &handler.name,
        path,
        interval: Duration::from_millis(interval_ms),
        timeout: Duration::from_millis(timeout_ms),
    })
}

struct Kept {
    release_number: u64,
    at: Instant,
    status: HealthStatus,
    error: Option<String>,
}

/// Asks applets for their health.
#[derive(Default)]
pub struct HealthChecks {
    kept: Mutex<HashMap<(String, String), Kept>>,
}

impl std::fmt::Debug for HealthChecks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HealthChecks").finish_non_exhaustive()
    }
}

impl HealthChecks {
    /// How an applet is: what it said within its interval, or says now.
    pub async fn health(&self, dispatcher: &Dispatcher, active: &Arc<Active>) -> Health {
        let descriptor = &active.release.package().descriptor;
        let Some(check) = check(descriptor) else {
            return Health { status: HealthStatus::Unknown, error: None, age_ms: 0 };
        };
        let key = (active.tenant.id.to_string(), active.release.applet().to_string());
        {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(kept) = kept.get(&key)
                && kept.release_number == active.release_number
                && kept.at.elapsed() < check.interval
            {
                let age_ms = u64::try_from(kept.at.elapsed().as_millis()).unwrap_or(u64::MAX);
                return Health { status: kept.status, error: kept.error.clone(), age_ms };
            }
        }
        let (status, error) = ask(dispatcher, active, &check).await;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(
            key,
            Kept { release_number: active.release_number, at: Instant::now(), status, error: error.clone() },
        );
        Health { status, error, age_ms: 0 }
    }
}

async fn ask(dispatcher: &Dispatcher, active: &Arc<Active>, check: &Check<'_>) -> (HealthStatus, Option<String>) {
    let unhealthy = |error: String| {
        let cut = error.floor_char_boundary(ERROR_BYTES_MAX);
        (HealthStatus::Unhealthy, Some(error[..cut].to_owned()))
    };
    let payload = match check.path {
        Some(path) => Payload::Request(Request {
            method: "GET".into(),
            url: format!("http://health.invalid{path}"),
            headers: Vec::new(),
            body: Body::Bytes(Bytes::new()),
        }),
        None => Payload::Json("null".into()),
    };
    let mut invocation = Invocation::new(check.handler, payload);
    invocation.trigger = "health".into();
    let mut sink = Discarding;
    let call = dispatcher.call(active, invocation, &mut sink, Lane::Admin);
    // Dropping the call ends it.
    let Ok(called) = tokio::time::timeout(check.timeout, call).await else {
        return unhealthy(format!("no answer within {} ms", check.timeout.as_millis()));
    };
    match called.map(|outcome| outcome.result) {
        Ok(Ok(response)) => said(&response).map_or((HealthStatus::Healthy, None), unhealthy),
        Ok(Err(fault)) => unhealthy(fault.to_string()),
        Err(refused) => unhealthy(refused.to_string()),
    }
}

/// What is wrong, by an answer.
fn said(response: &Response) -> Option<String> {
    let (body, status) = match response {
        Response::Value(None) => return None,
        Response::Value(Some(json)) => (json.as_bytes(), 200),
        Response::Http(reply) => (&reply.body[..], reply.status),
        Response::Streamed(reply) => (&[][..], reply.status),
    };
    #[derive(Deserialize)]
    struct Answer {
        status: Option<serde_json::Value>,
        error: Option<String>,
    }
    let answer = serde_json::from_slice::<Answer>(body).ok();
    let word = answer.as_ref().and_then(|answer| answer.status.as_ref()).and_then(serde_json::Value::as_str);
    let is_healthy =
        (200..400).contains(&status) && word.is_none_or(|word| matches!(word, "healthy" | "ok" | "up" | "pass"));
    if is_healthy {
        return None;
    }
    let error = answer.as_ref().and_then(|answer| answer.error.clone());
    Some(
        error
            .or_else(|| word.map(|word| format!("it says {word:?}")))
            .unwrap_or_else(|| format!("it answers with status {status}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_says() {
        let check = |json: &str, expected: Option<&str>| {
            assert_eq!(said(&Response::Value(Some(json.into()))).as_deref(), expected, "{json}");
        };
        check("null", None);
        check("{\"status\":\"healthy\"}", None);
        check("{\"status\":\"ok\"}", None);
        check("{\"status\":\"unhealthy\",\"error\":\"no token\"}", Some("no token"));
        check("{\"status\":\"down\"}", Some("it says \"down\""));
        check("\"fine\"", None);
        let reply = |status| belljar::HttpReply { status, headers: Vec::new(), body: Bytes::new() };
        assert_eq!(said(&Response::Http(reply(204))), None);
        assert_eq!(said(&Response::Http(reply(503))).as_deref(), Some("it answers with status 503"));
    }
}
