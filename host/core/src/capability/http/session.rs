//! One invocation's requests: counts, sizes, times and redirects. It hands every hop to the policy before the pool sees it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use tokio::sync::Semaphore;
use tokio::time::Instant as Moment;

use super::client::{Pool, Shared};
use super::dial::DialError;
use super::error::HttpError;
use super::headers::{self, isomorphic};
use super::held::{Held, HostBytes};
use super::policy::{HttpRules, Target};
use super::{HttpOptions, HttpRequest, HttpResponse};
use crate::floor::limits::{HttpLimits, LimitHit, Limits};
use crate::floor::usage::HttpUsage;

/// The http of one invocation. Its requests may outlive it, but not its deadline.
pub struct HttpSession {
    shared: Arc<Invocation>,
    host_bytes: HostBytes,
}

struct Invocation {
    client: Arc<Shared>,
    rules: Arc<HttpRules>,
    limits: HttpLimits,
    opened: Moment,
    deadline: Moment,
    concurrent: Semaphore,
    requests: AtomicU32,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
}

impl HttpSession {
    pub(super) fn new(client: Arc<Shared>, rules: Arc<HttpRules>, limits: HttpLimits, deadline: Instant) -> Self {
        let invocation = Invocation {
            client,
            rules,
            opened: Moment::now(),
            deadline: Moment::from_std(deadline),
            concurrent: Semaphore::new(limits.concurrent_max.max(1) as usize),
            limits,
            requests: AtomicU32::new(0),
            bytes_sent: AtomicU64::new(0),
            bytes_received: AtomicU64::new(0),
        };
        Self { shared: Arc::new(invocation), host_bytes: HostBytes::new(Limits::default().host_bytes_max) }
    }

    /// Counts the bodies this session holds (queued, and arriving) on `gauge`, together with whatever else is held for the guest.
    #[must_use]
    pub fn with_host_bytes(self, gauge: HostBytes) -> Self {
        Self { host_bytes: gauge, ..self }
    }

    /// Sends a request and takes in the whole answer. Dropping the future aborts the request: its connection is closed, or, in
    /// HTTP/2, its stream reset.
    ///
    /// The body's bytes are held from this call on, not from the first poll.
    ///
    /// # Errors
    /// [`HttpError`], by case as in `wit/http.wit`.
    pub fn send(
        &self,
        request: HttpRequest,
        options: HttpOptions,
    ) -> impl Future<Output = Result<HttpResponse, HttpError>> + Send + use<> {
        let (invocation, called) = (self.shared.clone(), Moment::now());
        let held = self.host_bytes.hold(request.body.len() as u64).map_err(HttpError::Limit);
        async move { invocation.send(request, options, called, held?).await }
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
    body: Bytes,
}

impl Invocation {
    async fn send(
        &self,
        request: HttpRequest,
        options: HttpOptions,
        called: Moment,
        held: Held,
    ) -> Result<HttpResponse, HttpError> {
        let hop = self.prepare(request)?;
        let mut until = Until { at: self.deadline, since: self.opened, name: "deadline_ms" };
        if let Some(timeout_ms) = options.timeout_ms {
            until = until.sooner(Until::after("timeout_ms", called, u64::from(timeout_ms)));
        }
        // Closed never; waiting its turn is not yet the request's own time.
        let turn = async {
            self.concurrent.acquire().await.map_err(|_| HttpError::Protocol("the session has ended".to_owned()))
        };
        let _turn = until.run(turn).await?;
        let until = until.sooner(Until::after("http.request_ms_max", Moment::now(), self.limits.request_ms_max));
        until.run(self.follow(hop, options, held)).await
    }

    /// Everything that can be refused without the network.
    fn prepare(&self, request: HttpRequest) -> Result<Hop, HttpError> {
        if self.rules.is_empty() {
            return Err(HttpError::NotGranted);
        }
        let method = headers::method(&request.method)?;
        let target = Target::parse(&request.url, self.limits.url_bytes_max)?;
        let headers = headers::request(&request.headers, &self.limits)?;
        let (used, allowed) = (request.body.len() as u64, self.limits.request_bytes_max);
        if used > allowed {
            return Err(HttpError::Limit(LimitHit { name: "http.request_bytes_max", allowed, used }));
        }
        if used > 0 && (method == Method::GET || method == Method::HEAD) {
            return Err(HttpError::Invalid(format!("a {method} request has no body")));
        }
        self.rules.check(&target, method.as_str(), self.client.test_hosts())?;
        Ok(Hop { method, target, headers, body: request.body })
    }

    async fn follow(&self, mut hop: Hop, options: HttpOptions, mut held: Held) -> Result<HttpResponse, HttpError> {
        let pool = self.client.pool(&self.limits);
        let mut redirects = 0;
        loop {
            let response = self.ask(&pool, &hop).await?;
            let Some(location) = headers::location(response.status(), response.headers(), options.redirect)? else {
                return self.take_in(hop.target, redirects > 0, response, &mut held).await;
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
                hop.body = Bytes::new();
            }
            self.rules.check(&next, hop.method.as_str(), self.client.test_hosts())?;
            hop.target = next;
        }
    }

    /// Sends one hop and waits for the head of its answer.
    async fn ask(&self, pool: &Pool, hop: &Hop) -> Result<http::Response<Incoming>, HttpError> {
        let allowed = self.limits.subrequests_max;
        let one_more = |count: u32| (count < allowed).then_some(count + 1);
        if self.requests.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
            let (allowed, used) = (u64::from(allowed), u64::from(allowed) + 1);
            return Err(HttpError::Limit(LimitHit { name: "http.subrequests_max", allowed, used }));
        }
        self.bytes_sent.fetch_add(hop.body.len() as u64, Ordering::Relaxed);

        let mut request = http::Request::new(Full::new(hop.body.clone()));
        *request.method_mut() = hop.method.clone();
        *request.uri_mut() = uri(&hop.target)?;
        *request.headers_mut() = hop.headers.clone();
        if self.client.is_crowded() {
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let response = pool.request(request).await.map_err(|error| self.failed(&error))?;
        if response.status().is_informational() {
            return Err(HttpError::Protocol(format!("an answer with status {} is none", response.status().as_u16())));
        }
        Ok(response)
    }

    /// Takes in the answer, as far as the limits allow.
    async fn take_in(
        &self,
        target: Target,
        redirected: bool,
        response: http::Response<Incoming>,
        held: &mut Held,
    ) -> Result<HttpResponse, HttpError> {
        let (head, mut incoming) = response.into_parts();
        let headers = headers::response(&head.headers, &self.limits)?;
        let allowed = self.limits.response_bytes_max;
        let too_long = |used| HttpError::Limit(LimitHit { name: "http.response_bytes_max", allowed, used });
        let announced = incoming.size_hint().lower();
        if announced > allowed {
            return Err(too_long(announced));
        }
        let mut body = BytesMut::new();
        while let Some(frame) = incoming.frame().await {
            // Trailers are not handed over.
            let Ok(chunk) = frame.map_err(|error| self.failed(&error))?.into_data() else { continue };
            let used = body.len() as u64 + chunk.len() as u64;
            self.bytes_received.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            if used > allowed {
                return Err(too_long(used));
            }
            held.grow(chunk.len() as u64).map_err(HttpError::Limit)?;
            body.extend_from_slice(&chunk);
        }
        let status_text = match (head.version, head.extensions.get::<hyper::ext::ReasonPhrase>()) {
            (Version::HTTP_2, _) => String::new(),
            (_, Some(reason)) => isomorphic(reason.as_bytes()),
            (_, None) => head.status.canonical_reason().unwrap_or_default().to_owned(),
        };
        let (status, url) = (head.status.as_u16(), target.url.into());
        Ok(HttpResponse { status, status_text, url, redirected, headers, body: body.freeze() })
    }

    /// Finds what went wrong in hyper's chain of causes.
    fn failed(&self, error: &(dyn std::error::Error + 'static)) -> HttpError {
        let mut cause = Some(error);
        let mut text = None;
        while let Some(error) = cause {
            if let Some(dial) = error.downcast_ref::<DialError>() {
                return dialled(dial);
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
