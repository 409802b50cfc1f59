//! What the tests share: runtimes, applets, a supervisor in a private directory, capabilities that write down what they are asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use belljar_process::{
    Answer, AnswerBody, Answering, Body, BodyError, Bytes, CallContext, Capabilities, CapabilityFailure,
    CapabilityReply, CapabilityRequest, Invocation, Line, LogSink, Payload, ProcessError, Program, Request,
    RequestBody, ResponseHead, Runtime, RuntimeKind, RuntimeSearch, Spec, Supervisor, whole,
};
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::packages::packages;

/// Node, Bun and Deno, where they are found.
pub(crate) async fn runtimes() -> Vec<Runtime> {
    let mut all = Vec::new();
    for kind in [RuntimeKind::Node, RuntimeKind::Bun, RuntimeKind::Deno] {
        match (RuntimeSearch { packages: packages(), ..RuntimeSearch::new(kind) }).find().await {
            Ok(runtime) => all.push(runtime),
            Err(error) => eprintln!("skipped: {error}"),
        }
    }
    all
}

/// Runs a test in each runtime.
pub(crate) async fn in_each<F: Future<Output = ()>>(test: impl Fn(Runtime) -> F) {
    for runtime in runtimes().await {
        eprintln!("in {} {}", runtime.kind.name(), runtime.version);
        test(runtime).await;
    }
}

/// An applet with its supervisor.
pub(crate) struct Applet {
    pub(crate) supervisor: Supervisor,
    pub(crate) spec: Spec,
    pub(crate) host: Arc<Host>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) folder: tempfile::TempDir,
}

/// What a process wrote.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<Vec<Line>>);

impl LogSink for Lines {
    fn line(&self, line: &Line) {
        self.0.lock().expect("unpoisoned").push(line.clone());
    }
}

pub(crate) const APPLET: &str = include_str!("applet.mjs");

impl Applet {
    pub(crate) fn new(runtime: &Runtime) -> Self {
        Self::with(runtime, APPLET, |_| {})
    }

    pub(crate) fn with(runtime: &Runtime, source: &str, change: impl FnOnce(&mut Spec)) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let bundle = folder.path().join("bundle.mjs");
        std::fs::write(&bundle, source).expect("written");
        let program = Program::Bundle { runtime: runtime.clone(), bundle, arguments: Vec::new(), is_server: false };
        Self::of(folder, program, change)
    }

    pub(crate) fn server(source: &str, change: impl FnOnce(&mut Spec)) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let script = folder.path().join("server.cjs");
        std::fs::write(&script, source).expect("written");
        let node = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .map(|path| path.join("node"))
            .find(|path| path.exists())
            .expect("node");
        Self::of(folder, Program::Server { program: node, arguments: vec![script.into()] }, change)
    }

    fn of(folder: tempfile::TempDir, program: Program, change: impl FnOnce(&mut Spec)) -> Self {
        let lines = Arc::new(Lines::default());
        let mut spec = Spec::new("test", program, folder.path());
        spec.logs = Arc::clone(&lines) as Arc<dyn LogSink>;
        change(&mut spec);
        Self { supervisor: Supervisor::new(spec.clone()), spec, host: Arc::default(), lines, folder }
    }

    pub(crate) fn invocation(&self, handler: &str, payload: Payload) -> Invocation {
        invocation(handler, payload, Arc::clone(&self.host) as Arc<dyn Capabilities>)
    }

    // Boxed: the compiler cannot see that the plain future may go to another task.
    pub(crate) fn call<'a>(&'a self, handler: &'a str, payload: Value) -> BoxFuture<'a, Result<Value, ProcessError>> {
        Box::pin(async move {
            value(self.supervisor.invoke(self.invocation(handler, Payload::Json(payload.to_string()))).await)
        })
    }

    /// A call that must be done within so many milliseconds.
    pub(crate) async fn call_within(&self, ms: u64, handler: &str, payload: Value) -> Result<Value, ProcessError> {
        let mut invocation = self.invocation(handler, Payload::Json(payload.to_string()));
        invocation.deadline = Instant::now() + Duration::from_millis(ms);
        value(self.supervisor.invoke(invocation).await)
    }

    pub(crate) async fn request(
        &self,
        handler: &str,
        body: RequestBody,
    ) -> Result<(ResponseHead, AnswerBody), ProcessError> {
        let request = Request {
            method: "POST".into(),
            url: "https://shop.test/a/b?c=d".into(),
            headers: vec![("x-in".into(), "caf\u{e9}".into()), ("content-type".into(), "application/json".into())],
            body,
        };
        match self.supervisor.invoke(self.invocation(handler, Payload::Request(request))).await? {
            Answer::Response(head, body) => Ok((head, body)),
            Answer::Value(value) => panic!("a request is answered with a response, not {value:?}"),
        }
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.supervisor.status().processes
    }
}

fn value(answer: Result<Answer, ProcessError>) -> Result<Value, ProcessError> {
    match answer? {
        Answer::Value(text) => Ok(text.map_or(Value::Null, |text| serde_json::from_str(&text).expect("JSON"))),
        Answer::Response(head, _) => panic!("a value was expected, not {head:?}"),
    }
}

pub(crate) fn invocation(handler: &str, payload: Payload, capabilities: Arc<dyn Capabilities>) -> Invocation {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let context = CallContext {
        id: format!("inv-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        applet: "shop".into(),
        version: "1.0.0".into(),
        tenant: "acme".into(),
        user: Some("ada".into()),
        permissions: vec!["read".into()],
        locale: "en-GB".into(),
        trigger: match payload {
            Payload::Json(_) => "one-off".into(),
            Payload::Request(_) => "http".into(),
            Payload::Messages(_) => "event".into(),
        },
        deadline_ms: u64::MAX >> 12,
        params: vec![("id".into(), "7".into())],
        config: json!({ "colour": "red" }).as_object().expect("an object").clone(),
        attempt: 1,
        ..CallContext::default()
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    Invocation { handler: handler.into(), export: handler.into(), context, payload, deadline, capabilities }
}

/// A body that comes in pieces.
pub(crate) fn pieces(all: Vec<Bytes>) -> Body {
    let frames = all.into_iter().map(|bytes| Ok::<_, BodyError>(Frame::data(bytes)));
    StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
}

/// Capabilities that remember what they were asked.
#[derive(Default)]
pub(crate) struct Host {
    pub(crate) asked: Mutex<Vec<(String, Value)>>,
    pub(crate) kv: Mutex<BTreeMap<String, Value>>,
    pub(crate) log: Mutex<Vec<Value>>,
}

impl Host {
    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().expect("unpoisoned").clone()
    }

    fn answer(&self, name: &str, arguments: &Value) -> Result<Value, CapabilityFailure> {
        let mut kv = self.kv.lock().expect("unpoisoned");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(match name {
            "kv.get" => arguments["keys"]
                .as_array()
                .map(|keys| keys.iter().map(|key| kv.get(&text(key)).cloned().unwrap_or(Value::Null)).collect())
                .unwrap_or_default(),
            "kv.set" => {
                kv.insert(text(&arguments["key"]), arguments["value"].clone());
                Value::Null
            }
            "db.query" => json!({
                "columns": ["n", "blob", "n", "real"],
                "rows": [[{ "$bigint": "9007199254740993" }, { "$bytes": "Bw==" }, 2, 1.5]],
            }),
            "db.begin" => json!(5),
            "db.execute" => json!({ "changes": 1, "lastInsertRowid": 9 }),
            "db.commit" => Value::Null,
            "events.publish" => json!("event-1"),
            "log.write" => {
                self.log.lock().expect("unpoisoned").extend(arguments["lines"].as_array().cloned().unwrap_or_default());
                Value::Null
            }
            "secrets.get" => return Err(CapabilityFailure::new("denied", "not this one")),
            _ => return Err(CapabilityFailure::new("not-granted", name.to_owned())),
        })
    }
}

impl Capabilities for Host {
    fn call(&self, capability: &str, operation: &str, request: CapabilityRequest) -> Answering {
        let name = format!("{capability}.{operation}");
        let CapabilityRequest { arguments, body } = request;
        self.asked.lock().expect("unpoisoned").push((name.clone(), arguments.clone()));
        if name == "http.fetch" {
            return Box::pin(async move {
                let url = arguments["url"].as_str().unwrap_or_default().to_owned();
                if url.contains("denied") {
                    return Err(CapabilityFailure::new("denied", "this host was not granted"));
                }
                let sent = match body {
                    Some(body) => body
                        .collect()
                        .await
                        .map_err(|error| CapabilityFailure::new("failed", error.to_string()))?
                        .to_bytes(),
                    None => Bytes::new(),
                };
                let value = json!({
                    "status": 203, "statusText": "Fine", "url": url, "redirected": false,
                    "headers": [["content-type", "text/plain"], ["x-method", arguments["method"]]],
                });
                Ok(CapabilityReply { value, body: Some(whole(sent)) })
            });
        }
        if name == "kv.get" && arguments["keys"][0] == "slow" {
            return Box::pin(async {
                tokio::time::sleep(Duration::from_secs(30)).await;
                Ok(Value::Null.into())
            });
        }
        let answer = self.answer(&name, &arguments).map(CapabilityReply::from);
        Box::pin(async move { answer })
    }
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process is there (and no zombie).
pub(crate) fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}
