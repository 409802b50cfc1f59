//! A recording as JSON for tests: what the handler was called with, what was answered to its requests and to its calls of the embedder's own capabilities,
//! and what it answered itself. `mock.recorded` of `@belljar/sdk/test` answers a test's requests with it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::bindings::belljar::applet::completions::Outcome;
use super::bindings::belljar::applet::types::{self, Body, Header, Payload, Refusal, Task};
use super::bindings::belljar::applet::{custom, http};
use super::matching::Matching;
use super::replay::ReplayError;
use super::tape::Called;
use crate::recording::events::read;
use crate::recording::{RecordedResult, Recording};

impl Recording {
    /// What a test needs to have an applet meet again what it met when it was recorded (docs/testing.md): an object with
    ///
    /// * `handler`, and the `payload`, `request` or `messages` that it was called with;
    /// * `http`: each request, with the `response` or the `error` that came;
    /// * `custom`: each call of the embedder's own capabilities, with the `answer` or the `error`;
    /// * its own `answer` (a value), `response` or `fault`.
    ///
    /// Requests and responses have `headers` as pairs, and a `body` that is text, or `bodyBase64`. What had no outcome when the call ended is left out.
    /// Secrets are stand-ins, as everywhere in a recording.
    ///
    /// ```no_run
    /// use belljar::Recording;
    ///
    /// let recording = Recording::decode(&std::fs::read("failure.recording")?, None)?;
    /// std::fs::write("failure.json", recording.fixture()?.to_string())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReplayError::Unreadable`] when what it holds makes no sense to this host.
    pub fn fixture(&self) -> Result<Value, ReplayError> {
        let (called, matching) = Matching::of(self, true)?;
        let (mut requests, mut calls) = (Vec::new(), Vec::new());
        for (function, arguments, outcome) in matching.outcomes() {
            match outcome {
                Outcome::Http(outcome) => {
                    let (request, _) = read::<(types::Request, IgnoredAny)>(arguments)
                        .ok_or(ReplayError::Unreadable("the arguments of http.send"))?;
                    let request = message(&matching, sent(request.method, request.url), request.headers, request.body);
                    requests.push(match outcome {
                        Ok(http::Response { status, headers, body, .. }) => {
                            let response = message(&matching, answered(*status), headers.clone(), body.clone());
                            json!({ "request": request, "response": response })
                        }
                        Err(error) => json!({ "request": request, "error": http_error(error) }),
                    });
                }
                Outcome::Custom(outcome) if function == "custom.call" => {
                    let (capability, name, argument) = read::<(String, String, String)>(arguments)
                        .ok_or(ReplayError::Unreadable("the arguments of custom.call"))?;
                    let mut call = json!({ "capability": capability, "function": name, "argument": parsed(&argument) });
                    match outcome {
                        Ok(answer) => call["answer"] = parsed(answer),
                        Err(error) => call["error"] = custom_error(error),
                    }
                    calls.push(call);
                }
                _ => {}
            }
        }
        let mut fixture = json!({ "handler": self.header.handler });
        asked(&mut fixture, called, &matching);
        fixture["http"] = requests.into();
        fixture["custom"] = calls.into();
        ended(&mut fixture, &self.end.result);
        Ok(fixture)
    }
}

/// What the handler was called with.
fn asked(fixture: &mut Value, called: Called, matching: &Matching) {
    let invocation = match called {
        Called::Sandbox(invocation) => invocation,
        Called::Component(call) => call.into_invocation(),
    };
    let Task::Call(call) = invocation.task else { return };
    match call.payload {
        Payload::Json(json) => fixture["payload"] = parsed(&json),
        Payload::Request(request) => {
            fixture["request"] = message(matching, sent(request.method, request.url), request.headers, request.body);
        }
        Payload::Messages(messages) => {
            fixture["messages"] = messages.iter().map(|message| parsed(&message.payload)).collect();
        }
    }
}

/// How it ended.
fn ended(fixture: &mut Value, result: &RecordedResult) {
    match result {
        RecordedResult::Value(json) => fixture["answer"] = json.as_deref().map_or(Value::Null, parsed),
        RecordedResult::Http { status, headers, body } => {
            let mut response = answered(*status);
            response.insert("headers".into(), json!(headers));
            with_body(&mut response, body);
            fixture["response"] = response.into();
        }
        // Its body is not kept as that, but as what the applet wrote.
        RecordedResult::Streamed { status, .. } => fixture["response"] = answered(*status).into(),
        RecordedResult::Fault { code, message, .. } => fixture["fault"] = json!({ "code": code, "message": message }),
    }
}

fn sent(method: String, url: String) -> Map<String, Value> {
    Map::from_iter([("method".to_owned(), method.into()), ("url".to_owned(), url.into())])
}

fn answered(status: u16) -> Map<String, Value> {
    Map::from_iter([("status".to_owned(), status.into())])
}

/// A request or a response, with what is in all of them.
fn message(matching: &Matching, mut begun: Map<String, Value>, headers: Vec<Header>, body: Body) -> Value {
    let headers: Vec<_> = headers.into_iter().map(|Header { name, value }| [name, value]).collect();
    begun.insert("headers".into(), json!(headers));
    match body {
        Body::Empty => {}
        Body::Bytes(bytes) => with_body(&mut begun, &bytes),
        Body::Stream(number) => with_body(&mut begun, &matching.body(number)),
    }
    begun.into()
}

fn with_body(message: &mut Map<String, Value>, body: &[u8]) {
    match std::str::from_utf8(body) {
        Ok("") => {}
        Ok(text) => drop(message.insert("body".into(), text.into())),
        Err(_) => drop(message.insert("bodyBase64".into(), BASE64_STANDARD.encode(body).into())),
    }
}

/// JSON of the applet's; what is none is left as its text.
fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| json.into())
}

/// As the applet saw it.
fn http_error(error: &http::Error) -> Value {
    let limited = |code: &str, hit: &http::LimitExceeded| of_limit(code, &hit.limit, hit.allowed, hit.used);
    let (code, message) = match error {
        http::Error::Timeout(hit) => return limited("timeout", hit),
        http::Error::Limit(hit) => return limited("limit", hit),
        http::Error::TooManyRedirects(hit) => return limited("too-many-redirects", hit),
        http::Error::NotGranted => ("not-granted", "the applet was not granted http (permissions.http)"),
        http::Error::Denied(message) => ("denied", message.as_str()),
        http::Error::Invalid(message) => ("invalid", message.as_str()),
        http::Error::Dns(message) => ("dns", message.as_str()),
        http::Error::Connect(message) => ("connect", message.as_str()),
        http::Error::Tls(message) => ("tls", message.as_str()),
        http::Error::Redirected(message) => ("redirected", message.as_str()),
        http::Error::Protocol(message) => ("protocol", message.as_str()),
    };
    json!({ "code": code, "message": message })
}

fn custom_error(error: &custom::Error) -> Value {
    let refusal = match error {
        custom::Error::Failed(custom::Failure { code, message }) => return json!({ "code": code, "message": message }),
        custom::Error::Refused(refusal) => refusal,
    };
    let (code, message) = match refusal {
        Refusal::Limit(hit) => return of_limit("limit", &hit.name, hit.allowed, hit.used),
        Refusal::Unavailable(what) => {
            return json!({ "code": "unavailable", "message": format!("not available on this host: {what}") });
        }
        Refusal::NotGranted => ("not-granted", "the applet was not granted custom (permissions.custom)"),
        Refusal::Denied(message) => ("denied", message.as_str()),
        Refusal::Invalid(message) => ("invalid", message.as_str()),
        Refusal::Busy => ("busy", "the host is busy: try again"),
        Refusal::Failed(message) => ("failed", message.as_str()),
    };
    json!({ "code": code, "message": message })
}

fn of_limit(code: &str, limit: &str, allowed: u64, used: u64) -> Value {
    let message = format!("limit {limit} exceeded: {allowed} allowed, {used} used");
    json!({ "code": code, "message": message, "limit": limit, "allowed": allowed, "used": used })
}
