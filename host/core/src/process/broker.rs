//! Answers what a process asks for during one invocation: with the sessions that a sandbox would have, under the same limits, watched the
//! same way.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use belljar_process::{Answering, Body, CapabilityFailure, CapabilityReply, CapabilityRequest, whole};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as _, Frame};
use serde_json::Value as Json;

use super::values::{self, Arguments};
use crate::capability::bodies::{BodyReader, pipe};
use crate::capability::http::{HostBytes, HttpOptions, HttpRequest, RequestBody, ResponseBody};
use crate::capability::opened::Capabilities;
use crate::capability::secrets::in_use::InUse;
use crate::floor::clock::Source;
use crate::floor::limits::{LimitHit, Limits};
use crate::floor::usage::Usage;
use crate::observe::{Begun, UseEnd};
use crate::positions::Positions;

/// What one queued operation costs the host besides its bytes.
const OPERATION_BYTES: u64 = 512;
/// Bytes of a body in one piece.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// The capabilities of one invocation in a process.
pub(super) struct Broker {
    capabilities: Arc<Mutex<Capabilities>>,
    source: Arc<dyn Source>,
    host_bytes: HostBytes,
    positions: Arc<Positions>,
    /// Secrets that this or another call of the process has asked for.
    seen: Arc<InUse>,
    operations: AtomicU32,
    operations_max: u32,
    outstanding: Arc<AtomicU32>,
    outstanding_max: u32,
    host_calls: AtomicU64,
}

/// One operation that is outstanding.
struct Outstanding(Arc<AtomicU32>);

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Broker {
    pub(super) fn new(
        capabilities: Capabilities,
        host_bytes: HostBytes,
        source: Arc<dyn Source>,
        positions: Arc<Positions>,
        seen: Arc<InUse>,
        limits: &Limits,
    ) -> Self {
        Self {
            capabilities: Arc::new(Mutex::new(capabilities)),
            source,
            host_bytes,
            positions,
            seen,
            operations: AtomicU32::new(0),
            operations_max: limits.operations_max,
            outstanding: Arc::default(),
            outstanding_max: limits.operations_outstanding_max,
            host_calls: AtomicU64::new(0),
        }
    }

    /// Sessions begin their work and give the lock back: nothing waits under it.
    fn opened(&self) -> MutexGuard<'_, Capabilities> {
        self.capabilities.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was used so far; the process itself is not in it.
    pub(super) fn usage(&self) -> Usage {
        let opened = self.opened();
        Usage {
            operations: self.operations.load(Ordering::Relaxed).into(),
            host_calls: self.host_calls.load(Ordering::Relaxed),
            ..opened.usage()
        }
    }

    /// The secrets of the invocation, to be taken out of what is written down.
    pub(super) fn secrets(&self) -> Option<Arc<InUse>> {
        self.opened().secrets.as_ref().map(|secrets| secrets.in_use().clone())
    }

    fn now_ms(&self) -> u64 {
        self.source.now_us() / 1_000
    }

    fn watched(
        &self,
        opened: &Capabilities,
        capability: &'static str,
        operation: &'static str,
        target: &str,
    ) -> Option<Begun> {
        let watch = opened.watch.as_ref()?;
        let target = target[..target.floor_char_boundary(200)].to_owned();
        Some(watch.begin(capability, operation, target, self.source.now_us()))
    }

    /// Counts one operation, and holds its bytes until it is answered.
    fn admit(&self, bytes: u64) -> Result<impl Send + use<>, CapabilityFailure> {
        let over = |name, allowed: u32, used: u32| {
            values::over(&LimitHit { name, allowed: allowed.into(), used: used.into() })
        };
        let operations = self.operations.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if operations > self.operations_max {
            return Err(over("operations_max", self.operations_max, operations));
        }
        let outstanding = Outstanding(self.outstanding.clone());
        let count = self.outstanding.fetch_add(1, Ordering::Relaxed) + 1;
        if count > self.outstanding_max {
            return Err(over("operations_outstanding_max", self.outstanding_max, count));
        }
        let held = self.host_bytes.hold(bytes.saturating_add(OPERATION_BYTES)).map_err(|hit| values::over(&hit))?;
        Ok((outstanding, held))
    }

    fn begin(
        &self,
        capability: &str,
        operation: &str,
        request: CapabilityRequest,
    ) -> Result<Answering, CapabilityFailure> {
        let CapabilityRequest { arguments, body } = request;
        let arguments = Arguments::read(arguments)?;
        match (capability, operation) {
            ("log", "write") => self.log(arguments),
            ("http", "fetch") => self.http(arguments, body),
            ("db", _) => match arguments.db(operation)? {
                Some(operation) => self.db(operation),
                None => Err(unknown(capability, operation)),
            },
            ("kv", _) => match arguments.kv(operation)? {
                Some(operation) => self.kv(operation),
                None => Err(unknown(capability, operation)),
            },
            ("secrets", "get") => self.secret(arguments),
            ("events", "publish") => self.publish(arguments),
            ("jobs", _) => self.jobs(operation, arguments),
            ("custom", "call") => self.custom(arguments),
            _ => Err(unknown(capability, operation)),
        }
    }

    fn log(&self, arguments: Arguments) -> Result<Answering, CapabilityFailure> {
        let lines = arguments.lines()?;
        let mut opened = self.opened();
        let secrets = opened.secrets.as_ref().map(|secrets| secrets.in_use().clone());
        for values::LogLine { origin, level, message, fields } in lines {
            let mut message = self.positions.in_text(message);
            let mut fields: Vec<_> =
                fields.into_iter().map(|(name, value)| (name, self.positions.in_json(value))).collect();
            if let Some(secrets) = &secrets {
                message = secrets.redact(message);
                fields =
                    fields.into_iter().map(|(name, value)| (secrets.redact(name), secrets.redact(value))).collect();
            }
            opened.log.write(origin, level, message, fields);
        }
        Ok(Box::pin(async { Ok(Json::Null.into()) }))
    }

    fn db(&self, operation: crate::capability::db::DbOperation) -> Result<Answering, CapabilityFailure> {
        let opened = self.opened();
        let used = self.watched(&opened, "db", operation.name(), "");
        let Some(session) = &opened.db else { return Err(refused(used, "db")) };
        let admitted = self.admit(operation_bytes(&operation))?;
        let work = session.run(operation);
        Ok(Box::pin(async move {
            let answer = work.await.map(values::db_reply).map_err(values::db_failure);
            drop(admitted);
            ended(used, answer)
        }))
    }

    fn kv(&self, operation: crate::capability::kv::KvOperation) -> Result<Answering, CapabilityFailure> {
        let mut opened = self.opened();
        let used = self.watched(&opened, "kv", operation.name(), operation.target());
        let now_ms = self.now_ms();
        let Some(session) = &mut opened.kv else { return Err(refused(used, "kv")) };
        let admitted = self.admit(operation.size_bytes())?;
        let work = session.run(operation, now_ms);
        Ok(Box::pin(async move {
            let answer = work.await.map(values::kv_reply).map_err(|error| values::failure("kv", error));
            drop(admitted);
            ended(used, answer)
        }))
    }

    fn secret(&self, mut arguments: Arguments) -> Result<Answering, CapabilityFailure> {
        let name = arguments.text("name")?;
        let opened = self.opened();
        let used = self.watched(&opened, "secrets", "get", &name);
        let Some(session) = &opened.secrets else { return Err(refused(used, "secrets")) };
        let admitted = self.admit(0)?;
        let work = session.get(name, &*self.source);
        let (seen, in_use) = (self.seen.clone(), session.in_use().clone());
        Ok(Box::pin(async move {
            let answer =
                work.await.map(|text| Json::from(text).into()).map_err(|error| values::failure("secrets", error));
            // Before the applet has it: what it writes from then on is looked through.
            seen.learn(&in_use);
            drop(admitted);
            ended(used, answer)
        }))
    }

    fn publish(&self, arguments: Arguments) -> Result<Answering, CapabilityFailure> {
        let publication = arguments.publication()?;
        let mut opened = self.opened();
        let used = self.watched(&opened, "events", "publish", &publication.name);
        let now_ms = self.now_ms();
        let Some(session) = &mut opened.events else { return Err(refused(used, "events")) };
        let admitted = self.admit(publication.payload.len() as u64)?;
        let work = session.publish(publication, now_ms);
        Ok(Box::pin(async move {
            let answer = work.await.map(|id| Json::from(id).into()).map_err(|error| values::failure("events", error));
            drop(admitted);
            ended(used, answer)
        }))
    }

    fn jobs(&self, operation: &str, mut arguments: Arguments) -> Result<Answering, CapabilityFailure> {
        /// What a job's operation answers.
        type Work =
            std::pin::Pin<Box<dyn Future<Output = Result<Json, crate::capability::refusal::CapabilityError>> + Send>>;
        let mut opened = self.opened();
        let now_ms = self.now_ms();
        let (used, work, bytes): (_, Option<Work>, u64) = match operation {
            "enqueue" => {
                let job = arguments.job()?;
                let (used, bytes) = (self.watched(&opened, "jobs", "enqueue", &job.handler), job.payload.len());
                let work = opened.jobs.as_mut().map(|session| session.enqueue(job, now_ms));
                (used, work.map(|work| -> Work { Box::pin(async { work.await.map(Json::from) }) }), bytes as u64)
            }
            "cancel" => {
                let id = arguments.text("id")?;
                let used = self.watched(&opened, "jobs", "cancel", &id);
                let work = opened.jobs.as_mut().map(|session| session.cancel(id));
                (used, work.map(|work| -> Work { Box::pin(async { work.await.map(Json::from) }) }), 0)
            }
            "progress" => {
                let progress = arguments.text("progress")?;
                let (used, bytes) = (self.watched(&opened, "jobs", "progress", ""), progress.len());
                let work = opened.jobs.as_mut().map(|session| session.progress(progress));
                (used, work.map(|work| -> Work { Box::pin(async { work.await.map(|()| Json::Null) }) }), bytes as u64)
            }
            _ => return Err(unknown("jobs", operation)),
        };
        let Some(work) = work else { return Err(refused(used, "jobs")) };
        let admitted = self.admit(bytes)?;
        Ok(Box::pin(async move {
            let answer = work.await.map(Into::into).map_err(|error| values::failure("jobs", error));
            drop(admitted);
            ended(used, answer)
        }))
    }

    fn custom(&self, mut arguments: Arguments) -> Result<Answering, CapabilityFailure> {
        let (capability, function, argument) =
            (arguments.text("capability")?, arguments.text("function")?, arguments.text("argument")?);
        let opened = self.opened();
        let used = self.watched(&opened, "custom", "call", &format!("{capability}.{function}"));
        let Some(session) = &opened.custom else { return Err(refused(used, "custom")) };
        let admitted = self.admit(argument.len() as u64)?;
        let work = session.call(&capability, &function, argument);
        Ok(Box::pin(async move {
            let answer = work.await.map(|json| Json::from(json).into()).map_err(values::custom_failure);
            drop(admitted);
            ended(used, answer)
        }))
    }

    fn http(&self, arguments: Arguments, body: Option<Body>) -> Result<Answering, CapabilityFailure> {
        let body = body.filter(|_| arguments.has_body());
        let (request, options) = arguments.request(RequestBody::default())?;
        let opened = self.opened();
        let target =
            url::Url::parse(&request.url).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization());
        let used = self.watched(&opened, "http", "send", &target);
        if opened.http.is_none() {
            return Err(refused(used, "http"));
        }
        let headers: usize = request.headers.iter().map(|header| header.name.len() + header.value.len()).sum();
        let admitted = self.admit((request.url.len() + headers) as u64)?;
        let (capabilities, host_bytes) = (self.capabilities.clone(), self.host_bytes.clone());
        Ok(Box::pin(async move {
            let answer = send(&capabilities, request, options, body, host_bytes).await;
            drop(admitted);
            ended(used, answer)
        }))
    }
}

/// Sends a request of an applet, and hands over what comes.
async fn send(
    capabilities: &Mutex<Capabilities>,
    mut request: HttpRequest,
    options: HttpOptions,
    body: Option<Body>,
    host_bytes: HostBytes,
) -> Result<CapabilityReply, CapabilityFailure> {
    let mut moving = AbortOnDrop(None);
    match body {
        None => {}
        // Of a known length, and sent with it: not every server takes chunks.
        Some(body) if body.size_hint().exact().is_some() => {
            let bytes = body.size_hint().exact().unwrap_or_default();
            let _held = host_bytes.hold(bytes).map_err(|hit| values::over(&hit))?;
            let collected = body
                .collect()
                .await
                .map_err(|error| CapabilityFailure::new("invalid", format!("the body broke off: {error}")))?;
            request.body = collected.to_bytes().into();
        }
        // Its bytes are moved beside the request, as it takes them. It may go on when the answer has begun, and ends with it.
        Some(body) => {
            let (writer, pieces) = pipe();
            request.body = RequestBody::Pieces(pieces);
            moving = AbortOnDrop(Some(tokio::spawn(move_body(body, writer, host_bytes))));
        }
    }
    let work = {
        let opened = capabilities.lock().unwrap_or_else(PoisonError::into_inner);
        let session = opened.http.as_ref().ok_or_else(|| values::not_granted("http"))?;
        session.send(request, options)
    };
    let response = work.await.map_err(values::http_failure)?;
    let value = values::response_head(&response);
    let body = match response.body {
        ResponseBody::Bytes(bytes) => whole(bytes),
        ResponseBody::Stream(reader) => read_body(reader, moving),
    };
    Ok(CapabilityReply { value, body: Some(body) })
}

impl belljar_process::Capabilities for Broker {
    fn call(&self, capability: &str, operation: &str, request: CapabilityRequest) -> Answering {
        self.host_calls.fetch_add(1, Ordering::Relaxed);
        self.begin(capability, operation, request).unwrap_or_else(|failure| Box::pin(async { Err(failure) }))
    }
}

fn unknown(capability: &str, operation: &str) -> CapabilityFailure {
    CapabilityFailure::new("invalid", format!("there is no operation {capability}.{operation}"))
}

fn refused(used: Option<Begun>, capability: &str) -> CapabilityFailure {
    if let Some(used) = used {
        used.end(UseEnd::Denied);
    }
    values::not_granted(capability)
}

/// Tells whoever watches how it ended.
fn ended(
    used: Option<Begun>,
    answer: Result<CapabilityReply, CapabilityFailure>,
) -> Result<CapabilityReply, CapabilityFailure> {
    if let Some(used) = used {
        used.end(match &answer {
            Ok(_) => UseEnd::Done,
            Err(failure) if matches!(failure.code.as_str(), "denied" | "not-granted") => UseEnd::Denied,
            Err(_) => UseEnd::Failed,
        });
    }
    answer
}

fn operation_bytes(operation: &crate::capability::db::DbOperation) -> u64 {
    use crate::capability::db::DbOperation::{Batch, Begin, Commit, Execute, Query, QueryOne, Rollback};
    match operation {
        Query { statement, .. } | QueryOne { statement, .. } | Execute { statement, .. } => statement.size_bytes(),
        Batch { statements } => statements.iter().map(|statement| statement.size_bytes()).sum(),
        Begin | Commit { .. } | Rollback { .. } => 0,
    }
}

/// Moves the body of a request from the process to the connection, and no faster than that takes it.
async fn move_body(mut body: Body, mut writer: crate::capability::bodies::BodyWriter, host_bytes: HostBytes) {
    while let Some(frame) = body.frame().await {
        let piece = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => return writer.abort(error.to_string()),
        };
        if piece.is_empty() {
            continue;
        }
        let held = match host_bytes.hold(piece.len() as u64) {
            Ok(held) => held,
            Err(hit) => return writer.abort(hit.to_string()),
        };
        // The other end has gone: what it made of the request is its answer.
        if writer.write(piece, held).await.is_err() {
            return;
        }
    }
    writer.end();
}

/// Ends a task with whatever it belongs to.
struct AbortOnDrop(Option<tokio::task::JoinHandle<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// A body, as it is read. `with` is kept as long as it is.
pub(super) fn read_body(reader: BodyReader, with: impl Send + 'static) -> Body {
    let pieces = futures_util::stream::unfold((reader, with), |(mut reader, with)| async {
        let piece = reader.read(PIECE_BYTES_MAX).await.transpose()?;
        Some((piece, (reader, with)))
    });
    let frames =
        pieces.map(|piece| piece.map(|bytes: Bytes| Frame::data(bytes)).map_err(belljar_process::BodyError::from));
    StreamBody::new(frames).boxed_unsync()
}
