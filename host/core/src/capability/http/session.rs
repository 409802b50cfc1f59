//! One invocation's requests: counts, sizes, times and redirects. It hands every hop to the policy before the pool sees it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Uri, Version};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant as Moment;

use super::body::{Ahead, Outgoing, READ_AHEAD_BYTES, RequestBody, ResponseBody, read_ahead};
use super::client::{Pool, Shared};
use super::dial::DialError;
use super::error::HttpError;
use super::headers::{self, isomorphic};
use super::held::{Held, HostBytes};
use super::policy::{HttpRules, Target};
use super::transport::{Arrived, HttpTransport, carry};
use super::{HttpOptions, HttpRequest, HttpResponse, secrets};
use crate::capability::bodies::{BodyError, Pieces};
use crate::capability::secrets::in_use::InUse;
use crate::floor::deadline::Deadline;
use crate::floor::limits::{HttpLimits, LimitHit, Limits};
use crate::floor::usage::HttpUsage;

/// A body that is announced to have no more bytes than this is taken in at once: most answers are, and one step is enough then.
const WHOLE_BYTES_MAX: u64 = 64 << 10;

/// The http of one invocation. Its requests may outlive it, but not its deadline.
pub struct HttpSession {
    shared: Arc<Invocation>,
    host_bytes: HostBytes,
    secrets: Option<Arc<InUse>>,
}

struct Invocation {
    client: Arc<Shared>,
    /// In place of the network.
    transport: Option<Arc<dyn HttpTransport>>,
    rules: Arc<HttpRules>,
    limits: HttpLimits,
    deadline: Deadline,
    concurrent: Arc<Semaphore>,
    requests: AtomicU32,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
}

impl HttpSession {
    pub(super) fn new(
        client: Arc<Shared>,
        transport: Option<Arc<dyn HttpTransport>>,
        rules: Arc<HttpRules>,
        limits: HttpLimits,
        deadline: Deadline,
    ) -> Self {
        let invocation = Invocation {
            client,
            transport,
            rules,
            deadline,
            concurrent: Arc::new(Semaphore::new(limits.concurrent_max.max(1) as usize)),
            limits,
            requests: AtomicU32::new(0),
            bytes_sent: AtomicU64::new(0),
            bytes_received: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(invocation),
            host_bytes: HostBytes::new(Limits::default().host_bytes_max),
            secrets: None,
        }
    }

    /// Counts the bodies this session holds (queued, and arriving) on `gauge`, together with whatever else is held for the guest.
    #[must_use]
    pub fn with_host_bytes(self, gauge: HostBytes) -> Self {
        Self { host_bytes: gauge, ..self }
    }

    /// Puts these secrets into requests, in the place of their placeholders.
    #[must_use]
    pub(crate) fn with_secrets(self, secrets: Option<Arc<InUse>>) -> Self {
        Self { secrets, ..self }
    }

    /// Sends a request and takes in the answer: all of it when it is small and says so, else its head, and a reader of its body.
    /// Dropping the future, or the reader, aborts the request: its connection is closed, or, in HTTP/2, its stream reset.
    ///
    /// A whole body's bytes are held from this call on, not from the first poll.
    ///
    /// # Errors
    /// [`HttpError`], by case as in `wit/http.wit`.
    pub fn send(
        &self,
        request: HttpRequest,
        options: HttpOptions,
    ) -> impl Future<Output = Result<HttpResponse, HttpError>> + Send + use<> {
        let (invocation, called, gauge) = (self.shared.clone(), Moment::now(), self.host_bytes.clone());
        let secrets = self.secrets.clone();
        let bytes = if let RequestBody::Bytes(bytes) = &request.body { bytes.len() } else { 0 };
        let held = gauge.hold(bytes as u64).map_err(HttpError::Limit);
        async move { invocation.send(request, options, called, held?, &gauge, secrets).await }
    }

    /// What was used so far.
    pub fn usage(&self) -> HttpUsage {
        HttpUsage {
            requests: u64::from(self.shared.requests.load(Ordering::Relaxed)),
            bytes_sent: self.shared.bytes_sent.load(Ordering::Relaxed),
            bytes_received: self.shared.bytes_received.load(Ordering::Relaxed),
        }
    }
}

/// A moment at which time is up, and which limit says so.
#[derive(Clone, Copy)]
struct Until {
    at: Moment,
    since: Moment,
    name: &'static str,
}

impl Until {
    fn after(name: &'static str, since: Moment, allowed_ms: u64) -> Self {
        // A century stands for times that do not fit the clock.
        let at =
            since.checked_add(Duration::from_millis(allowed_ms)).unwrap_or(since + Duration::from_secs(3_155_760_000));
        Self { at, since, name }
    }

    fn sooner(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }

    async fn run<T>(self, work: impl Future<Output = Result<T, HttpError>>) -> Result<T, HttpError> {
        let ms = |from: Moment, to: Moment| {
            u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
        };
        match tokio::time::timeout_at(self.at, work).await {
            Ok(done) => done,
            Err(_) => {
                let allowed = ms(self.since, self.at);
                let used = ms(self.since, Moment::now()).max(allowed);
                Err(HttpError::Timeout(LimitHit { name: self.name, allowed, used }))
            }
        }
    }
}

/// One hop: everything of a request that a redirect can change.
struct Hop {
    method: Method,
    target: Target,
    headers: HeaderMap,
    body: HopBody,
    /// What the invocation knows of them; the headers have placeholders.
    secrets: Option<Arc<InUse>>,
}

/// The body, for as many hops as it can be sent in.
enum HopBody {
    Bytes(Bytes),
    Pieces(Pieces),
    /// It was in pieces, and they have gone to a hop before.
    Spent,
}

impl Invocation {
    async fn send(
        self: Arc<Self>,
        request: HttpRequest,
        options: HttpOptions,
        called: Moment,
        held: Held,
        gauge: &HostBytes,
        secrets: Option<Arc<InUse>>,
    ) -> Result<HttpResponse, HttpError> {
        let hop = self.prepare(request, secrets)?;
        let (at, hit) = (Moment::from_std(self.deadline.at()), self.deadline.hit());
        let since = at.checked_sub(Duration::from_millis(hit.allowed)).unwrap_or_else(Moment::now);
        let mut until = Until { at, since, name: hit.name };
        if let Some(timeout_ms) = options.timeout_ms {
            until = until.sooner(Until::after("timeout_ms", called, u64::from(timeout_ms)));
        }
        // Closed never; waiting its turn is not yet the request's own time.
        let turn = async {
            let turn = self.concurrent.clone().acquire_owned().await;
            turn.map_err(|_| HttpError::Protocol("the session has ended".to_owned()))
        };
        let turn = until.run(turn).await?;
        let until = until.sooner(Until::after("http.request_ms_max", Moment::now(), self.limits.request_ms_max));
        let (target, redirected, response) = until.run(self.follow(hop, options)).await?;
        let (head, incoming) = response.into_parts();
        let headers = headers::response(&head.headers, &self.limits)?;
        let status_text = match (head.version, head.extensions.get::<hyper::ext::ReasonPhrase>()) {
            (Version::HTTP_2, _) => String::new(),
            (_, Some(reason)) => isomorphic(reason.as_bytes()),
            (_, None) => head.status.canonical_reason().unwrap_or_default().to_owned(),
        };
        let announced = incoming.size_hint();
        let receiving = Receiving { incoming, used: 0, invocation: self };
        receiving.check(announced.lower())?;
        let body = if announced.exact().is_some_and(|bytes| bytes <= WHOLE_BYTES_MAX) {
            ResponseBody::Bytes(until.run(receiving.whole(held)).await?)
        } else {
            // The request's own body is not needed any more.
            drop(held);
            let held = gauge.hold(READ_AHEAD_BYTES).map_err(HttpError::Limit)?;
            ResponseBody::Stream(read_ahead(held, move |ahead| until.run(receiving.into(ahead, turn))))
        };
        Ok(HttpResponse {
            status: head.status.as_u16(),
            status_text,
            url: target.url.into(),
            redirected,
            headers,
            body,
        })
    }

    /// Everything that can be refused without the network.
    fn prepare(&self, request: HttpRequest, secrets: Option<Arc<InUse>>) -> Result<Hop, HttpError> {
        if self.rules.is_empty() {
            return Err(HttpError::NotGranted);
        }
        let method = headers::method(&request.method)?;
        let target = Target::parse(&request.url, self.limits.url_bytes_max)?;
        let headers = headers::request(&request.headers, &self.limits)?;
        let (used, allowed) = match &request.body {
            RequestBody::Bytes(bytes) => (bytes.len() as u64, self.limits.request_bytes_max),
            RequestBody::Pieces(_) => (1, u64::MAX),
        };
        if used > allowed {
            return Err(HttpError::Limit(LimitHit { name: "http.request_bytes_max", allowed, used }));
        }
        if used > 0 && (method == Method::GET || method == Method::HEAD) {
            return Err(HttpError::Invalid(format!("a {method} request has no body")));
        }
        self.rules.check(&target, method.as_str(), self.client.test_hosts())?;
        if let Some(secrets) = &secrets {
            secrets::check_url(secrets, &request.url)?;
        }
        let body = match request.body {
            RequestBody::Bytes(bytes) => HopBody::Bytes(bytes),
            RequestBody::Pieces(pieces) => HopBody::Pieces(pieces),
        };
        Ok(Hop { method, target, headers, body, secrets })
    }

    /// Sends the request and follows redirects. Answers whom it has asked last, whether that was another, and what came.
    async fn follow(
        self: &Arc<Self>,
        mut hop: Hop,
        options: HttpOptions,
    ) -> Result<(Target, bool, http::Response<Arrived>), HttpError> {
        let pool = self.client.pool(&self.limits);
        let mut redirects = 0;
        loop {
            let response = self.ask(&pool, &mut hop).await?;
            let Some(location) = headers::location(response.status(), response.headers(), options.redirect)? else {
                return Ok((hop.target, redirects > 0, response));
            };
            let allowed = self.limits.redirects_max;
            if redirects >= allowed {
                let (allowed, used) = (u64::from(allowed), u64::from(redirects) + 1);
                return Err(HttpError::TooManyRedirects(LimitHit { name: "http.redirects_max", allowed, used }));
            }
            redirects += 1;
            let next = hop.target.join(&location, self.limits.url_bytes_max)?;
            let same_origin = next.same_origin(&hop.target);
            if !headers::redirect(response.status(), &mut hop.method, &mut hop.headers, same_origin) {
                hop.body = HopBody::Bytes(Bytes::new());
            }
            self.rules.check(&next, hop.method.as_str(), self.client.test_hosts())?;
            hop.target = next;
        }
    }

    /// Sends one hop and waits for the head of its answer.
    async fn ask(self: &Arc<Self>, pool: &Pool, hop: &mut Hop) -> Result<http::Response<Arrived>, HttpError> {
        let mut headers = hop.headers.clone();
        if let Some(secrets) = &hop.secrets {
            let zone = self.client.test_hosts().zone(&hop.target.host, hop.target.port);
            secrets::fill(secrets, &mut headers, &hop.target, zone, &self.limits)?;
        }
        let allowed = self.limits.subrequests_max;
        let one_more = |count: u32| (count < allowed).then_some(count + 1);
        if self.requests.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
            let (allowed, used) = (u64::from(allowed), u64::from(allowed) + 1);
            return Err(HttpError::Limit(LimitHit { name: "http.subrequests_max", allowed, used }));
        }
        let body = match std::mem::replace(&mut hop.body, HopBody::Spent) {
            HopBody::Bytes(bytes) => {
                self.bytes_sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                hop.body = HopBody::Bytes(bytes.clone());
                Outgoing::Bytes(bytes)
            }
            HopBody::Pieces(pieces) => Outgoing::Pieces { pieces, count: self.clone().count_sent() },
            // Fetch, "HTTP-redirect fetch": a body without a source cannot be sent again.
            HopBody::Spent => {
                let text = "the answer is a redirect that wants the body again, and a streamed body is sent once: send bytes, or follow it yourself";
                return Err(HttpError::Redirected(text.to_owned()));
            }
        };
        let mut request = http::Request::new(body);
        *request.method_mut() = hop.method.clone();
        *request.uri_mut() = uri(&hop.target)?;
        *request.headers_mut() = headers;
        if self.client.is_crowded() {
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let response = match &self.transport {
            Some(transport) => carry(&**transport, request, |error| self.failed(error)).await?,
            None => pool.request(request).await.map_err(|error| self.failed(&error))?.map(Arrived::Network),
        };
        if response.status().is_informational() {
            return Err(HttpError::Protocol(format!("an answer with status {} is none", response.status().as_u16())));
        }
        Ok(response)
    }

    /// Counts the bytes of one body that is sent in pieces, and refuses what is too much.
    fn count_sent(self: Arc<Self>) -> Box<dyn FnMut(u64) -> Result<(), BodyError> + Send> {
        let mut used = 0;
        Box::new(move |bytes| {
            used += bytes;
            let allowed = self.limits.request_bytes_max;
            if used > allowed {
                return Err(BodyError::Limit(LimitHit { name: "http.request_bytes_max", allowed, used }));
            }
            self.bytes_sent.fetch_add(bytes, Ordering::Relaxed);
            Ok(())
        })
    }

    /// Finds what went wrong in hyper's chain of causes.
    fn failed(&self, error: &(dyn std::error::Error + 'static)) -> HttpError {
        let mut cause = Some(error);
        let mut text = None;
        while let Some(error) = cause {
            if let Some(dial) = error.downcast_ref::<DialError>() {
                return dialled(dial);
            }
            match error.downcast_ref::<BodyError>() {
                Some(BodyError::Limit(hit)) => return HttpError::Limit(hit.clone()),
                Some(error) => return HttpError::Protocol(format!("the request's body broke off: {error}")),
                None => {}
            }
            if let Some(hyper) = error.downcast_ref::<hyper::Error>() {
                if hyper.is_parse_too_large() {
                    // hyper does not say whether it was the size or the number of headers, nor by how much.
                    let allowed = self.limits.header_bytes_max;
                    return HttpError::Limit(LimitHit {
                        name: "http.header_bytes_max",
                        allowed,
                        used: allowed.saturating_add(1),
                    });
                }
                text.get_or_insert_with(|| hyper.to_string());
            }
            cause = error.source();
        }
        let text = text.unwrap_or_else(|| "the connection broke".to_owned());
        HttpError::Protocol(format!("the other side broke off or did not speak HTTP: {text}"))
    }
}

/// A body on its way in: counted, and bounded.
struct Receiving {
    incoming: Arrived,
    used: u64,
    invocation: Arc<Invocation>,
}

impl Receiving {
    fn check(&self, used: u64) -> Result<(), HttpError> {
        let allowed = self.invocation.limits.response_bytes_max;
        if used > allowed {
            return Err(HttpError::Limit(LimitHit { name: "http.response_bytes_max", allowed, used }));
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        while let Some(frame) = self.incoming.frame().await {
            // Trailers are not handed over.
            let Ok(chunk) = frame.map_err(|error| self.invocation.failed(&error))?.into_data() else { continue };
            self.used += chunk.len() as u64;
            self.invocation.bytes_received.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            self.check(self.used)?;
            return Ok(Some(chunk));
        }
        Ok(None)
    }

    async fn whole(mut self, mut held: Held) -> Result<Bytes, HttpError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.next().await? {
            held.grow(chunk.len() as u64).map_err(HttpError::Limit)?;
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// Puts the body into `ahead`. It is the request's turn until all has come.
    async fn into(mut self, ahead: Ahead, _turn: OwnedSemaphorePermit) -> Result<(), HttpError> {
        while let Some(chunk) = self.next().await? {
            ahead.put(chunk).await;
        }
        Ok(())
    }
}

fn dialled(error: &DialError) -> HttpError {
    match error.clone() {
        DialError::Denied(text) => HttpError::Denied(text),
        DialError::Dns(text) => HttpError::Dns(text),
        DialError::Connect(text) => HttpError::Connect(text),
        DialError::Tls(text) => HttpError::Tls(text),
        DialError::Timeout { allowed_ms } => {
            HttpError::Timeout(LimitHit { name: "http.connect_ms_max", allowed: allowed_ms, used: allowed_ms })
        }
    }
}

/// The URL as hyper wants it. The URL standard leaves a few characters as they are that RFC 3986 wants encoded; they are.
fn uri(target: &Target) -> Result<Uri, HttpError> {
    let text = target.url.as_str();
    text.parse().or_else(|_| {
        let encoded: String = text
            .bytes()
            .map(|byte| match byte {
                b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => format!("%{byte:02X}"),
                _ => char::from(byte).to_string(),
            })
            .collect();
        encoded.parse().map_err(|error| HttpError::Invalid(format!("the URL cannot be sent: {error}")))
    })
}
